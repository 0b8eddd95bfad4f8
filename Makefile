# Everything that a newcomer types. Each target sets up what it needs in .venv by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check
export QT_QPA_PLATFORM ?= offscreen

.PHONY: demo test lint acceptance clean

demo: $(VENV)/runtime.done
	$(BIN)/sspe demo --output demo-output

test: $(VENV)/development.done
	bash Testing/Harness/install_system_libraries.sh
	$(BIN)/python -m pytest -m "not alone" --numprocesses auto --maxprocesses 4 --dist worksteal
	$(BIN)/python -m pytest -m alone Testing/Walkthrough

lint: $(VENV)/development.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

acceptance: $(VENV)/development.done
	$(BIN)/python Testing/acceptance.py

clean:
	rm -rf $(VENV) demo-output screenshots

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/runtime.done: $(VENV)/bin/pip pyproject.toml
	$(PIP) torch==2.13.0
	$(PIP) --editable .
	touch $@

$(VENV)/development.done: $(VENV)/runtime.done
	$(PIP) --editable .[train,test]
	touch $@
