"""`sspe register`: what it asks of the registration and what it writes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from command_line import Run, files_in
from known_registration import known_registration

from SSPELib.errors import InputError
from SSPELib.poses import matrix_of
from SSPELib.registration import Candidate, Registration
from SSPELib.volume import Volume

SHIFT = sitk.VersorRigid3DTransform((0, 0, 1), 0.1, (12, -7, 20))


@pytest.fixture
def instant_registration(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """Replaces the registration by one that knows the answer at once; collects what it was called with."""
    calls: list[dict[str, object]] = []

    def register(fixed: object, moving: object, **options: object) -> Registration:
        calls.append({"fixed": fixed, "moving": moving, **options})
        return known_registration(
            SHIFT,
            start=str(options["start"]),
            overlap_mm=40.0,
            synthetic_mm={"fixed": {"inferior": 65.0, "superior": 0.0}, "moving": {"inferior": 0.0, "superior": 65.0}},
            metric=0.91,
            error_bound_mm=12.0,
            reliable=False,
            reasons=("only bones agree",),
            candidates=(Candidate(SHIFT, 12.5, 40.0, 21.0, 5.7), Candidate(SHIFT, 3.5, 20.0, 51.0, 2.0)),
        )

    monkeypatch.setattr("SSPELib.registration.register.register", register)
    return calls


def test_register_writes_all_it_was_asked_for(
    run: Run, halves: tuple[Path, Path], instant_registration: list[dict[str, object]]
) -> None:
    folder = halves[0].parent
    done = run(
        *["register", *halves, "--transform", folder / "found.tfm", "--output", folder / "moved.nii.gz"],
        *["--report", folder / "report.json", "--transform-type", "rigid", "--start", "unknown", "--device", "cpu"],
    )
    assert done.code == 0
    assert done.out == ""
    assert "No GPU" in done.err or "Warning" not in done.err.replace("Warning: The result", "")
    assert "not reliable (only bones agree)" in done.err
    (call,) = instant_registration
    assert (call["start"], call["transform_type"]) == ("unknown", "rigid")
    found = sitk.ReadTransform(str(folder / "found.tfm"))
    np.testing.assert_allclose(found.TransformPoint((10, 20, 30)), SHIFT.TransformPoint((10, 20, 30)), atol=1e-6)
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert report["overlap_mm"] == 40.0
    assert report["synthetic_mm"]["fixed"] == {"inferior": 65.0, "superior": 0.0}
    assert (report["start"], report["metric"], report["reliable"], report["error_bound_mm"]) == (
        "unknown",
        0.91,
        False,
        12.0,
    )
    assert report["error_sentence"] == "Expected error 1.2 mm; 9 of 10 such results are within 12 mm"
    assert report["seconds"] > 0
    assert report["model"] == "tiny"
    assert (report["fixed"], report["moving"]) == (str(halves[0]), str(halves[1]))
    assert "only bones agree" in (folder / "report.html").read_text(encoding="utf-8")
    expected = {"upper.nii.gz", "lower.nii.gz", "found.tfm", "moved.nii.gz", "report.json", "report.html"}
    assert files_in(folder) == expected


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (InputError("the disk is full"), 2)])
def test_the_result_is_there_before_the_page_is_drawn(
    run: Run,
    halves: tuple[Path, Path],
    instant_registration: list[dict[str, object]],
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    code: int,
) -> None:
    folder = halves[0].parent
    for outdated in ("report.json", "report.html", "page.pdf"):
        (folder / outdated).write_text("of an earlier result", encoding="utf-8")
    written = {"upper.nii.gz", "lower.nii.gz", "found.tfm", "moved.nii.gz", "report.json"}
    seen: list[set[str]] = []

    def interrupted(subject: object) -> str:
        seen.append(files_in(folder))
        raise error

    monkeypatch.setattr("SSPELib.report.page.page_of", interrupted)
    done = run(
        *["register", *halves, "--transform", folder / "found.tfm", "--output", folder / "moved.nii.gz"],
        *["--report", folder / "report.json", "--pdf", folder / "page.pdf"],
    )
    assert done.code == code
    assert seen == [written]
    # What is there is whole and of one result; no page of an earlier one stands beside it.
    assert files_in(folder) == written
    matrix = json.loads((folder / "report.json").read_text(encoding="utf-8"))["matrix_fixed_to_moving_lps"]
    np.testing.assert_allclose(matrix, matrix_of(sitk.ReadTransform(str(folder / "found.tfm"))), atol=1e-9)


def test_register_without_expansion_uses_the_real_volumes_alone(
    run: Run, halves: tuple[Path, Path], instant_registration: list[dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("SSPELib.model.bundle.load_bundle", lambda name=None: pytest.fail("the model was loaded"))
    done = run("register", *halves, "--transform", halves[0].with_name("found.h5"), "--no-expansion")
    assert done.code == 0
    (call,) = instant_registration
    for side in ("fixed", "moving"):
        volume = call[side]
        assert isinstance(volume, Volume)
        assert volume.provenance is None


@pytest.mark.parametrize(
    "extra", [["--report", "report.txt"], ["--output", "moved.png"], ["--report", "nowhere/report.json"]]
)
def test_register_checks_every_output_first(
    run: Run, halves: tuple[Path, Path], extra: list[str], instant_registration: list[dict[str, object]]
) -> None:
    folder = halves[0].parent
    done = run("register", *halves, "--transform", folder / "found.tfm", extra[0], folder / extra[1])
    assert done.code == 2
    assert extra[1] in done.err
    assert instant_registration == []
    assert files_in(folder) == {"upper.nii.gz", "lower.nii.gz"}


def test_same_file_twice_under_any_name(run: Run, halves: tuple[Path, Path], tmp_path: Path) -> None:
    upper = halves[0]
    link, copy, converted = (tmp_path / name for name in ("link.nii.gz", "copy.nii.gz", "copy.nrrd"))
    link.symlink_to(upper)
    shutil.copy(upper, copy)
    sitk.WriteImage(sitk.ReadImage(str(upper)), str(converted))
    for other in (upper, upper.parent / "." / upper.name, link, copy, converted):
        done = run("register", upper, other, "--transform", tmp_path / "found.tfm")
        assert done.code == 2
        assert "are the same" in done.err
    assert not (tmp_path / "found.tfm").exists()
