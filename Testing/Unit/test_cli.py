"""The command line as a whole: help, version, wrong usage, Ctrl-C."""

from __future__ import annotations

import inspect
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import Run, files_in
from typer.main import get_command

from SSPELib import __version__
from SSPELib.cli.app import app
from SSPELib.errors import Cancelled
from SSPELib.expansion.expander import Expander
from SSPELib.model.bundle import ModelBundle


def documented(group: Any, *path: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """The words of every command below a group, and its documentation."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from documented(command, *path, name)
        else:
            yield (*path, name), inspect.getdoc(command.callback) or ""


COMMANDS = dict(documented(get_command(app)))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_shows_an_example_as_it_is_to_be_typed(run: Run, words: tuple[str, ...]) -> None:
    _, example = COMMANDS[words].split("Example: ")
    assert example.strip("`").startswith(f"sspe {' '.join(words)} ")
    shown = run(*words, "--help").out
    assert "".join(example.strip("`").split()) in "".join(shown.split())


def test_help_names_every_option(run: Run) -> None:
    signature = {
        "expand": ["INPUT", "OUTPUT", "--direction", "--distance", "--mask", "--model", "--device"],
        "register": [
            *["FIXED", "MOVING", "--transform", "--output", "--report", "--transform-type", "--start"],
            *["--no-expansion", "--device"],
        ],
        "demo": ["--output"],
        "train": ["CONFIG", "--output"],
        "import-dicom": ["SOURCE", "DEST", "--spacing", "--validation", "--test", "--seed", "--whole-studies"],
    }
    for command, words in signature.items():
        shown = run(command, "--help")
        assert shown.code == 0
        assert [word for word in words if word not in shown.out] == []


def test_version(run: Run) -> None:
    assert run("--version").out == f"sspe {__version__}\n"


def test_help_loads_neither_torch_nor_simpleitk() -> None:
    program = (
        "import sys; from SSPELib.cli.app import main; main(['register', '--help']); "
        "sys.exit(len({'torch', 'SimpleITK', 'numpy', 'matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [["expand"], ["enlarge"], ["expand", "a", "b", "--direction", "up"], ["register", "a", "b"], ["expand", "--no"]],
)
def test_wrong_usage_is_one_sentence_that_points_to_the_help(run: Run, arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert "--help" in done.err


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Cancelled()])
def test_interruption_leaves_nothing(
    run: Run, torso_file: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(Expander, "expand", interrupted)
    done = run("expand", torso_file, torso_file.with_name("out.nii.gz"), "--device", "cpu")
    assert done.code == 130
    assert done.err == "Interrupted; nothing unfinished was left.\n"
    assert files_in(torso_file.parent) == {"torso.nii.gz"}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for a child process")
def test_control_c_while_writing_leaves_nothing(torso_file: Path, tiny_bundle: ModelBundle) -> None:
    program = (
        "import signal, sys, time\n"
        # Tests that were themselves started in the background inherit an ignored Control-C.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import SSPELib.io.writing as writing\n"
        "from SSPELib.cli.app import main\n"
        "plain = writing.Outputs.image\n"
        "def slow(self, image, path):\n"
        "    plain(self, image, path)\n"
        "    print('written', flush=True)\n"
        "    time.sleep(60)\n"
        "writing.Outputs.image = slow\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    output = torso_file.with_name("out.nii.gz")
    command = [sys.executable, "-c", program, "expand", str(torso_file), str(output), "--distance", "10"]
    with subprocess.Popen(
        [*command, "--model", str(tiny_bundle.folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Interrupted" in said
    assert files_in(torso_file.parent) == {"torso.nii.gz"}
