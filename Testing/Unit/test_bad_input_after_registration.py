"""What cannot be right is refused in one sentence, with exit code 2 and nothing written: apply, merge."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from command_line import Run, files_in
from dicom_series import FRAME, VOLUME, write_series
from phantoms import torso, write
from radiotherapy import MOVING_FRAME, write_dose, write_structures

from SSPELib.poses import matrix_of
from SSPELib.volume import slices

TURN = sitk.VersorRigid3DTransform((0.3, -0.2, 1.0), 0.12, (15, -12, 25), (5, 10, -10))
STILL = sitk.AffineTransform(3)
OTHER_PAIR = sitk.VersorRigid3DTransform((0, 1, 0), 0.0, (60, 25, 20), (0, 0, 0))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A fixed DICOM scan, and a transform whose report names the frames of both scans."""
    write_series(tmp_path / "fixed")
    write_transform(tmp_path, TURN)
    return tmp_path


def write_transform(folder: Path, transform: sitk.Transform, **report: object) -> Path:
    sitk.WriteTransform(transform, str(folder / "found.tfm"))
    known = {
        "matrix_fixed_to_moving_lps": matrix_of(transform).tolist(),
        "reliable": True,
        "reasons": [],
        "frames_of_reference": {"fixed": FRAME, "moving": MOVING_FRAME},
    }
    (folder / "found.json").write_text(json.dumps({**known, **report}))
    return folder / "found.tfm"


def labels(folder: Path) -> Path:
    return write(VOLUME.like(np.zeros(VOLUME.array.shape, np.uint8)), folder / "labels.nrrd")


def dose(folder: Path, **tags: object) -> Path:
    return write_dose(folder / "dose.dcm", np.ones(VOLUME.array.shape, np.uint32), VOLUME, **tags)


def no_orientation(folder: Path) -> Path:
    path = write(VOLUME, folder / "bare.nii")
    image = bytearray(path.read_bytes())
    # sform_code and qform_code of the NIfTI header.
    image[252:256] = b"\0" * 4
    path.write_bytes(bytes(image))
    return path


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: dose(folder, FrameOfReferenceUID="1.2.3"), ["frame of reference 1.2.3", "moving scan"]),
        (lambda folder: dose(folder, FrameOfReferenceUID=FRAME), ["frame of the fixed scan", "--inverse"]),
        (
            lambda folder: dose(folder, DoseGridScaling=None),
            ["no DoseGridScaling (3004,000E)", "export the"],
        ),
        (lambda folder: dose(folder, DoseUnits=None), ["no DoseUnits (3004,0002)"]),
        (labels, ["labels.nrrd is empty: no voxel has a label"]),
        (lambda folder: write_structures(folder / "s.dcm", [np.eye(3)], frame="1.2.3"), ["1.2.3"]),
        (lambda folder: write(torso(center=(5000, 0, 0)), folder / "far.nii.gz"), ["another pair", "--extend"]),
        (no_orientation, ["has no orientation", "--assume-lps"]),
    ],
)
def test_apply_refuses(folder: Path, run_without_model: Run, make: Callable[[Path], Path], words: list[str]) -> None:
    path = make(folder)
    output = folder / ("out.dcm" if path.suffix == ".dcm" else "out.nii.gz")
    before = files_in(folder)
    arguments = ["apply", path, output, "--transform", folder / "found.tfm", "--reference", folder / "fixed"]
    done = run_without_model(*arguments)
    assert done.code == 2
    assert done.err.startswith("Error: ")
    assert done.err.count("\n") == 1
    for word in words:
        assert word in done.err
    assert files_in(folder) == before


def test_an_image_without_orientation_is_carried_where_that_is_assumed(folder: Path, run_without_model: Run) -> None:
    write_transform(folder, STILL)
    path = no_orientation(folder)
    arguments = ["apply", path, folder / "out.nii.gz", "--transform", folder / "found.tfm"]
    done = run_without_model(*arguments, "--reference", folder / "fixed", "--extend", "--assume-lps")
    assert done.code == 0, done.err
    assert "its axes were taken for left, posterior, superior" in done.err


def halves(folder: Path) -> tuple[Path, Path]:
    whole = torso(size=(60, 48, 70), spacing=(6, 6, 4))
    return write(slices(whole, 30, 70), folder / "upper.nii.gz"), write(slices(whole, 0, 50), folder / "lower.nii.gz")


@pytest.mark.parametrize(
    ("transform", "report", "words"),
    [
        (OTHER_PAIR, {}, ["do not agree (correlation", "another pair"]),
        (STILL, {"reliable": False, "reasons": ["too little"]}, ["is not reliable (too little)"]),
        (
            STILL,
            {
                "fixed": "a.nii",
                "moving": "b.nii",
                "grids": {
                    role: {
                        "size": [9, 9, 9],
                        "spacing": [1, 1, 1],
                        "origin": [0, 0, 0],
                        "direction": np.eye(3).tolist(),
                    }
                    for role in ("fixed", "moving")
                },
            },
            ["was found for other scans (a.nii and b.nii)"],
        ),
    ],
)
def test_merge_asks_for_a_yes(
    tmp_path: Path, run_without_model: Run, transform: sitk.Transform, report: dict[str, object], words: list[str]
) -> None:
    files = halves(tmp_path)
    write_transform(tmp_path, transform, **report)
    before = files_in(tmp_path)
    arguments = ["merge", *files, tmp_path / "merged.nii.gz", "--transform", tmp_path / "found.tfm"]
    refused = run_without_model(*arguments)
    assert refused.code == 2
    assert refused.err.count("Error: ") == 1
    for word in (*words, "--accept-unreliable"):
        assert word in refused.err
    assert files_in(tmp_path) == before
    assert run_without_model(*arguments, "--accept-unreliable").code == 0


def test_merge_refuses_scans_of_another_frame(folder: Path, run_without_model: Run) -> None:
    write_series(folder / "other", FrameOfReferenceUID="1.2.3")
    for fixed, moving, named in (("other", "fixed", "1.2.3"), ("fixed", "other", "1.2.3"), ("fixed", "fixed", FRAME)):
        arguments = ["merge", folder / fixed, folder / moving, folder / "out.nii.gz"]
        done = run_without_model(*arguments, "--transform", folder / "found.tfm", "--accept-unreliable")
        assert done.code == 2
        assert f"has the frame of reference {named}" in done.err
        assert not (folder / "out.nii.gz").exists()


def test_apply_asks_which_series(folder: Path, run_without_model: Run) -> None:
    for number in (3, 7):
        tags = {"SeriesNumber": number, "FrameOfReferenceUID": MOVING_FRAME}
        write_series(folder / "moving", series=f"moving{number}", prefix=f"{number}-", **tags)
    arguments = ["apply", folder / "moving", folder / "out.nii.gz", "--transform", folder / "found.tfm"]
    arguments += ["--reference", folder / "fixed"]
    refused = run_without_model(*arguments)
    assert refused.code == 2
    assert "--series" in refused.err
    assert run_without_model(*arguments, "--series", 7, "--series", 3).code == 0
    wrong = run_without_model(*arguments, "--series", 8, "--series", 3)
    assert wrong.code == 2
    assert "8" in wrong.err
