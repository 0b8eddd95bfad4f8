"""Check every rule of Slicer's ExtensionsIndex that a program can check: `make acceptance`.

Prints each problem with what to do, and ends with 1 where there is one.
"""

from __future__ import annotations

import ast
import dataclasses
import json
import re
import struct
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MODULES = ("SSPEExtension", "SSPEExpand", "SSPERegister")
ALLOWED = {"slicer", "vtk", "qt", "ctk", "SimpleITK", "numpy", "scipy"}
METADATA = ("HOMEPAGE", "CATEGORY", "CONTRIBUTORS", "DESCRIPTION", "ICONURL", "SCREENSHOTURLS", "DEPENDS")
JSON_FIELDS = {"$schema", "build_dependencies", "build_subdirectory", "category", "scm_revision", "scm_url", "tier"}
LARGEST_CLONE_MIB = 100
LONGEST_LINE = 120
SMALLEST_ICON = 64
BRITISH = (
    r"\b(colour|centre|grey|licence|behaviour|neighbour|analyse|optimis|normalis|initialis|synthesis[ei]d|catalogue)"
)
TRANSLATORS = {"_", "translate"}
OPTION_PROPERTIES = {"toolTip", "minimum", "maximum", "value", "suffix", "checked"}
TECHNICAL_PROPERTIES = {"nodeTypes", "SlicerParameterName", "SSPEOptionName", "baseName"}

Problems = Iterator[str]


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def metadata() -> dict[str, str]:
    """The EXTENSION_ values of CMakeLists.txt, the repository filled in."""
    values = re.findall(r'set\(EXTENSION_(\w+) "([^"]*)"\)', read(ROOT / "CMakeLists.txt"))
    return {name: value.replace("${SSPE_REPOSITORY}", repository()) for name, value in values}


def repository() -> str:
    """OWNER/NAME of the project on GitHub."""
    found = re.search(r'set\(SSPE_REPOSITORY "([^"]*)"\)', read(ROOT / "CMakeLists.txt"))
    return found.group(1) if found else ""


def module_files() -> list[Path]:
    """The Python files that Slicer installs, library included."""
    files = [path for name in MODULES for path in (ROOT / name).rglob("*.py")]
    return [path for path in files if not {"Testing", "SSPEResearch", "SSPECohort"} & {*path.parts}]


def panel_files() -> list[Path]:
    """The Python files in Slicer's style: all but the library."""
    return [path for path in module_files() if "SSPELib" not in path.parts]


def check_names_and_index_entry() -> Problems:
    match = re.search(r"project\((\w+)\)", read(ROOT / "CMakeLists.txt"))
    name = match.group(1) if match else ""
    if not name or name.startswith("Slicer"):
        yield f"project({name}) must name the extension, without 'Slicer' in front"
    entry = ROOT / f"{name}.json"
    if not entry.is_file():
        yield f"{entry.name} is missing: the index's file has the name of the project"
        return
    fields = json.loads(read(entry))
    if set(fields) != JSON_FIELDS:
        yield f"{entry.name} has the fields {sorted(fields)}, it needs {sorted(JSON_FIELDS)}"
    depends = metadata().get("DEPENDS", "").split()
    if fields.get("build_dependencies") != depends:
        yield f"{entry.name} builds on {fields.get('build_dependencies')}, CMakeLists.txt on {depends}"
    if fields.get("category") != metadata().get("CATEGORY"):
        yield f"{entry.name} and CMakeLists.txt differ in the category"
    if not str(fields.get("scm_url", "")).startswith("https://"):
        yield f"{entry.name}: scm_url must be an https address"


def check_address() -> Problems:
    """The project's address stands in CMakeLists.txt; two files that cannot read it there say the same."""
    address = f"https://github.com/{repository()}"
    if json.loads(read(ROOT / "SSPE.json")).get("scm_url") != f"{address}.git":
        yield f"SSPE.json: scm_url must be {address}.git"
    folder = json.loads(read(ROOT / "SSPEExtension" / "SSPESlicer" / "home" / "sample_data.json")).get("folder", "")
    if not folder.startswith(f"{address}/"):
        yield f"sample_data.json: folder must begin with {address}/"


def check_metadata() -> Problems:
    values = metadata()
    for name in METADATA:
        if not values.get(name):
            yield f"CMakeLists.txt does not set EXTENSION_{name}"
    sentences = re.findall(r"[.!?](?:\s|$)", values.get("DESCRIPTION", ""))
    if not 1 <= len(sentences) <= 2:
        yield "EXTENSION_DESCRIPTION must be one or two sentences"
    if "PyTorch" not in values.get("DEPENDS", ""):
        yield "EXTENSION_DEPENDS must name PyTorch"
    for name in ("ICONURL", "SCREENSHOTURLS"):
        for address in values.get(name, "").split():
            match = re.match(r"https://raw\.githubusercontent\.com/[^/]+/[^/]+/[^/]+/(.+)", address)
            if match is None or not (ROOT / match.group(1)).is_file():
                yield f"EXTENSION_{name}: {address} is no file of this repository"


def check_license() -> Problems:
    path = ROOT / "LICENSE.txt"
    if not path.is_file() or "Apache License" not in read(path):
        yield "LICENSE.txt with the Apache License must be in the root"


def check_icons() -> Problems:
    for name in MODULES:
        path = ROOT / name / "Resources" / "Icons" / f"{name}.png"
        if not path.is_file():
            yield f"{name} has no icon {path.relative_to(ROOT)}"
            continue
        width, height = struct.unpack(">II", path.read_bytes()[16:24])
        if min(width, height) < SMALLEST_ICON or width != height:
            yield f"The icon of {name} is {width} x {height}; it must be square, {SMALLEST_ICON} or more"


def check_readme() -> Problems:
    path = ROOT / "README.md"
    text = read(path) if path.is_file() else ""
    needs = {
        "an image": r"!\[[^\]]*\]\([^)]+\)",
        "the module SSPE Expand": r"SSPE Expand",
        "the module SSPE Register": r"SSPE Register",
        "the publication": r"Structure-Preserve Expansion for Medical Image Registration with Minimal Overlap",
        "a tutorial": r"(?im)^#+.*tutorial",
        "sample data": r"(?i)sample data",
        "the license": r"(?i)apache",
        "the research-use notice": r"(?i)research use",
    }
    for what, pattern in needs.items():
        if not re.search(pattern, text) and not re.search(pattern, " ".join(text.split())):
            yield f"README.md lacks {what}"
    for address in re.findall(r"!\[[^\]]*\]\(([^)\s]+)", text):
        if "://" not in address and not (ROOT / address).is_file():
            yield f"README.md shows {address}, which is not there"


def check_size_of_clone() -> Problems:
    counted = dict(
        line.split(": ") for line in git("count-objects", "-v").splitlines() if line.startswith(("size", "size-pack"))
    )
    mebibytes = (int(counted["size"]) + int(counted["size-pack"])) / 1024
    if mebibytes > LARGEST_CLONE_MIB:
        yield f"A clone with its history takes {mebibytes:.0f} MiB, at most {LARGEST_CLONE_MIB} are allowed"


def check_file_scope() -> Problems:
    """What the modules import when Slicer starts, their own packages included, and what they run then."""
    own = {path.stem: path for name in MODULES for path in (ROOT / name).iterdir() if _is_own(path)}
    waiting = [ROOT / name / f"{name}.py" for name in MODULES]
    seen: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path in seen or not path.is_file():
            continue
        seen.add(path)
        tree = ast.parse(read(path), path.name)
        yield from (f"{path.relative_to(ROOT)}:{line}: {what}" for line, what in statements_run(tree))
        for line, name in imports_at_file_scope(tree, path, own):
            if isinstance(name, Path):
                waiting += [name, *(parent / "__init__.py" for parent in name.parents if _is_own(parent))]
            elif name not in ALLOWED and name not in sys.stdlib_module_names:
                yield f"{path.relative_to(ROOT)}:{line}: imports {name} at file scope; import it where it is used"


def _is_own(path: Path) -> bool:
    return path.suffix == ".py" or (path.is_dir() and (path / "__init__.py").is_file())


def statements_run(tree: ast.Module) -> Problems | Iterator[tuple[int, str]]:
    """Statements at file scope that are more than definitions."""
    for statement in tree.body:
        if (isinstance(statement, ast.Expr) and not isinstance(statement.value, ast.Constant)) or isinstance(
            statement, (ast.For, ast.While, ast.With, ast.Try)
        ):
            yield statement.lineno, "runs code at file scope"


def imports_at_file_scope(tree: ast.Module, path: Path, own: dict[str, Path]) -> Iterator[tuple[int, str | Path]]:
    """Imported packages by name, own modules by file; what only a type checker reads is left out."""
    waiting: list[ast.stmt] = list(tree.body)
    while waiting:
        statement = waiting.pop()
        if isinstance(statement, ast.If):
            if "TYPE_CHECKING" not in ast.unparse(statement.test) and "__main__" not in ast.unparse(statement.test):
                waiting += statement.body + statement.orelse
        elif isinstance(statement, ast.ClassDef):
            waiting += statement.body
        elif isinstance(statement, ast.Import):
            for alias in statement.names:
                yield statement.lineno, resolved(alias.name.split("."), own)
        elif isinstance(statement, ast.ImportFrom):
            parts = (statement.module or "").split(".") if statement.module else []
            if statement.level == 0:
                yield statement.lineno, resolved(parts, own)
            folder = (
                path.parents[statement.level - 1] if statement.level else own.get(parts[0], path) if parts else path
            )
            inside = parts if statement.level else parts[1:]
            if statement.level or parts[0] in own:
                for name in ["", *(alias.name for alias in statement.names)]:
                    yield statement.lineno, file_of(folder.joinpath(*inside, name))


def resolved(parts: list[str], own: dict[str, Path]) -> str | Path:
    return file_of(own[parts[0]].joinpath(*parts[1:])) if parts[0] in own else parts[0]


def file_of(path: Path) -> Path:
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def check_installation_of_torch() -> Problems:
    for path in module_files():
        text = read(path)
        if re.search(r"pip_install|pip_ensure|[\"']install[\"'], *[\"']torch", text):
            yield f"{path.relative_to(ROOT)} installs packages itself; PyTorch comes through its extension"
        for call in re.findall(r"installTorch\(([^)]+)\)", text):
            if "askConfirmation=True" not in call:
                yield f"{path.relative_to(ROOT)} installs PyTorch without asking"


def check_style() -> Problems:
    for path in [*module_files(), *ROOT.glob("*/CMakeLists.txt"), *ROOT.glob("*/Resources/UI/*.ui")]:
        name = path.relative_to(ROOT)
        for number, line in enumerate(read(path).splitlines(), 1):
            if path.suffix == ".py" and len(line) > LONGEST_LINE:
                yield f"{name}:{number} has {len(line)} characters, at most {LONGEST_LINE} are allowed"
            if "\t" in line:
                yield f"{name}:{number} has a tab"
            match = re.search(BRITISH, line, re.IGNORECASE)
            if match:
                yield f"{name}:{number}: '{match.group(0)}' is British spelling"
    for path in panel_files():
        for node in ast.walk(ast.parse(read(path))):
            if isinstance(node, ast.FunctionDef) and re.search(r"[a-z]_[a-z]", node.name.removeprefix("test_")):
                yield f"{path.relative_to(ROOT)}:{node.lineno}: {node.name} is not camelCase"


def check_translation() -> Problems:
    """Slicer's lupdate finds every text: prose stands in _() as a literal, in .ui files only prose is translatable."""
    for path in panel_files():
        if not path.stem.endswith("selftest") and path.parent.name != "selftest":
            yield from (
                f"{path.relative_to(ROOT)}:{line}: {what}" for line, what in untranslatable(ast.parse(read(path)))
            )
    for path in ROOT.glob("*/Resources/UI/*.ui"):
        for element in ElementTree.parse(path).iter("property"):
            for string in element.iter("string"):
                technical = element.get("name") in TECHNICAL_PROPERTIES
                if technical != (string.get("notr") == "true") and (string.text or "").strip():
                    kept = "must not" if technical else "must"
                    yield f"{path.relative_to(ROOT)}: {element.get('name')} '{string.text}' {kept} be translatable"


def untranslatable(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Prose outside _(), and calls of _() whose text is made while the program runs; documentation does not count."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in TRANSLATORS:
            if not all(isinstance(argument, ast.Constant) for argument in node.args):
                yield node.lineno, "_() takes a literal; fill in values with .format()"
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and is_prose(node.value):
            yield node.lineno, f"'{node.value.strip()}' stands outside _()"
        # a statement that is nothing but a text is documentation, and what fails an assert is for developers
        silent = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not silent and not isinstance(node, ast.Assert):
            waiting.extend(ast.iter_child_nodes(node))


def is_prose(text: str) -> bool:
    """Tell whether a text has two words in a row once its tags are taken away."""
    return re.search(r"[A-Za-z]{2,}[,.:;]? [A-Za-z]{2,}", re.sub(r"<[^>]*(>|$)", "", text)) is not None


def check_panels() -> Problems:
    interactive = {"QPushButton", "QComboBox", "QCheckBox", "ctkSliderWidget", "qMRMLNodeComboBox"}
    for name in MODULES:
        path = ROOT / name / "Resources" / "UI" / f"{name}.ui"
        for widget in ElementTree.parse(path).iter("widget"):
            properties = {element.get("name"): element.findtext("string") for element in widget.findall("property")}
            where = f"{path.relative_to(ROOT)}: {widget.get('name')}"
            # A panel takes the tool tip of an option from there.
            option = "SSPEOptionName" in properties or properties.get("SlicerParameterName") in option_parameters()
            if widget.get("class") in interactive and not option and "toolTip" not in properties:
                yield f"{where} has no tool tip"
            if option and OPTION_PROPERTIES & set(properties):
                yield f"{where} repeats what SSPELib/options.py says"


def option_parameters() -> set[str]:
    """The parameters of Slicer's panels that are options of the library: tolerance_mm is toleranceMm."""
    sys.path.insert(0, str(ROOT / "SSPEExtension"))
    from SSPELib import options

    kinds = (options.ExpandOptions, options.RegisterOptions, options.MergeOptions)
    names = {field.name for kind in kinds for field in dataclasses.fields(kind)}
    return {re.sub(r"_(.)", lambda match: match.group(1).upper(), name) for name in names}


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout


CHECKS: tuple[Callable[[], Problems], ...] = (
    check_names_and_index_entry,
    check_address,
    check_metadata,
    check_license,
    check_icons,
    check_readme,
    check_size_of_clone,
    check_file_scope,
    check_installation_of_torch,
    check_style,
    check_translation,
    check_panels,
)


def main() -> int:
    """Run all checks."""
    failed = 0
    for check in CHECKS:
        problems = list(check())
        failed += bool(problems)
        print(f"{'FAILED' if problems else 'ok':6}  {check.__name__.removeprefix('check_').replace('_', ' ')}")
        for problem in problems:
            print(f"        {problem}")
    print(f"{len(CHECKS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
