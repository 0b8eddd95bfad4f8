"""The command line as a whole: help, version, wrong usage, Ctrl-C."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import Run, files_in

from SSPELib import __version__
from SSPELib.bundle import ModelBundle
from SSPELib.errors import Cancelled
from SSPELib.expansion import Expander


def test_help_names_every_option_and_an_example(run: Run) -> None:
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
        assert f"Example: sspe {command}" in shown.out
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
    assert done.err == "Interrupted; nothing was written.\n"
    assert files_in(torso_file.parent) == {"torso.nii.gz"}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for a child process")
def test_control_c_while_writing_leaves_nothing(torso_file: Path, tiny_bundle: ModelBundle) -> None:
    program = (
        "import signal, sys, time\n"
        # Tests that were themselves started in the background inherit an ignored Control-C.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import SSPELib.volume.writing as writing\n"
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
