"""The extension configures with (a stand-in of) Slicer's CMake package, and what that would install is complete."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STUB = Path(__file__).resolve().parent
NAMES = ("SSPEExtension", "SSPEExpand", "SSPERegister")
BUILT = "lib/Slicer-5.10/qt-scripted-modules"


def configure(source: Path, build: Path) -> subprocess.CompletedProcess[str]:
    cmake = shutil.which("cmake") or shutil.which("cmake", path=Path(sys.executable).parent)
    assert cmake is not None, "cmake is missing: pip install cmake"
    command = [cmake, "-S", source, "-B", build, f"-DSlicer_DIR={STUB}", f"-DSlicerStub_PYTHON={sys.executable}"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    build = tmp_path_factory.mktemp("build")
    done = configure(ROOT, build)
    assert done.returncode == 0, done.stderr
    return build


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The extension's own files, to be spoilt."""
    source = tmp_path / "source"
    for name in NAMES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "Models"))
    shutil.copy(ROOT / "CMakeLists.txt", source)
    return source


def spoil(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_every_file_of_the_modules_is_installed(built: Path) -> None:
    installed = {path.relative_to(built / BUILT).as_posix() for path in (built / BUILT).rglob("*") if path.is_file()}
    wanted = set()
    for name in NAMES:
        for path in (ROOT / name).rglob("*"):
            relative = path.relative_to(ROOT / name)
            kinds = {".py", ".ui", ".png", ".json", ".pt", ".toml", ".html", ".j2"}
            if path.suffix in kinds and relative.parts[0] not in {"Testing", "SSPEResearch", "SSPECohort"}:
                wanted.add(relative.as_posix())
    assert installed == wanted


def test_tests_are_registered(built: Path) -> None:
    listed = subprocess.run(["ctest", "-N", "--test-dir", built], capture_output=True, text=True, check=True).stdout
    unit = [test for name in NAMES for test in (f"py_{name}", f"py_{name}PanelTest")]
    generic = [f"py_nomainwindow_qSlicer{name}ModuleGenericTest" for name in NAMES]
    assert re.findall(r"Test +#\d+: (\S+)", listed) == unit + generic


@pytest.mark.parametrize("test", ["py_SSPERegisterPanelTest", "py_nomainwindow_qSlicerSSPERegisterModuleGenericTest"])
def test_the_installed_modules_load_and_their_tests_pass(built: Path, test: str) -> None:
    """All three modules are loaded from one folder, as in an installed extension."""
    command = ["ctest", "--test-dir", built, "-R", f"^{test}$", "--output-on-failure"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "100% tests passed" in done.stdout


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("SSPEExpand/CMakeLists.txt", "SSPEExpandLib/logic.py", "SSPEExpandLib/lost.py", "nonexistent file"),
        ("SSPEExpand/CMakeLists.txt", "WITH_GENERIC_TESTS", "WITH_GENERIC_TEST", "Unknown keywords|nonexistent file"),
        (
            "SSPEExpand/CMakeLists.txt",
            "slicerMacroBuildScriptedModule(",
            "slicerMacroBuildScript(",
            "Unknown CMake command",
        ),
        (
            "SSPERegister/CMakeLists.txt",
            "SCRIPT ${MODULE_NAME}.py)",
            "SCRIPT ${MODULE_NAME}.py LABEL x)",
            "Unknown keywords",
        ),
        ("SSPERegister/Testing/Python/CMakeLists.txt", "PanelTest", "LostTest", "nonexistent file"),
        ("CMakeLists.txt", "EXTENSION_ICONURL", "EXTENSION_ICON", "must set EXTENSION_ICONURL"),
    ],
)
def test_mistakes_are_found(copied: Path, tmp_path: Path, file: str, old: str, new: str, message: str) -> None:
    spoil(copied / file, old, new)
    done = configure(copied, tmp_path / "build")
    assert done.returncode != 0
    assert re.search(message, done.stderr)
