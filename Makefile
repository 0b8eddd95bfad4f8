# Everything that a newcomer types. Each target sets up what it needs in .venv by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Ranges are in pyproject.toml; what is installed here is what requirements.lock says.
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint requirements.lock
export QT_QPA_PLATFORM ?= offscreen

.PHONY: demo test lint acceptance lock test-lowest clean

demo: $(VENV)/runtime.done
	$(BIN)/sspe demo --output demo-output

test: $(VENV)/development.done
	bash Testing/Harness/install_system_libraries.sh
	$(BIN)/python -m pytest -m "not alone" --numprocesses auto --maxprocesses 4 --dist worksteal
	$(BIN)/python -m pytest -m alone

lint: $(VENV)/development.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

acceptance: $(VENV)/development.done
	$(BIN)/python Testing/acceptance.py

# After a change of pyproject.toml: what is installed now becomes what everybody gets.
lock: $(VENV)/development.done
	$(BIN)/pip freeze --exclude-editable | sed 's/+cpu$$//' > requirements.lock

# The lower ends of the ranges in pyproject.toml, in an environment of its own (some gigabytes), which has no Slicer.
test-lowest:
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/pip install --quiet --disable-pip-version-check --requirement Testing/requirements.lowest
	.venv-lowest/bin/pip install --quiet --disable-pip-version-check --no-deps --editable .
	.venv-lowest/bin/python -m pytest --confcutdir Testing/Unit Testing/Unit -m "not alone" --numprocesses auto --dist worksteal
	.venv-lowest/bin/python -m pytest --confcutdir Testing/Unit Testing/Unit -m alone

clean:
	rm -rf $(VENV) .venv-lowest demo-output screenshots

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/runtime.done: $(VENV)/bin/pip pyproject.toml requirements.lock
	$(PIP) torch
	$(PIP) --editable .
	touch $@

$(VENV)/development.done: $(VENV)/runtime.done
	$(PIP) --editable .[train,dicom,surfaces,pdf,cohort,test]
	touch $@
