"""Every volume that cannot be used: one sentence, exit code 2, no file, from `sspe expand` and `sspe register`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from command_line import Run, files_in
from dicom_series import write_series
from phantoms import write

from SSPELib.volume import Volume, slices


def _changed(change: Callable[[np.ndarray], np.ndarray], name: str = "in.nii.gz") -> Callable[[Path, Volume], Path]:
    return lambda folder, volume: write(volume.like(change(volume.array)), folder / name)


def _image(image: sitk.Image, path: Path) -> Path:
    sitk.WriteImage(image, str(path))
    return path


def _series(change: Callable[[list[Path]], object], **options: object) -> Callable[[Path, Volume], Path]:
    def make(folder: Path, _: Volume) -> Path:
        change(write_series(folder / "series", **options))  # type: ignore[arg-type]
        return folder / "series"

    return make


def _text(path: Path, text: str = "no image at all, " * 20) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


BAD_INPUTS: dict[str, tuple[Callable[[Path, Volume], Path], str]] = {
    "missing": (lambda folder, _: folder / "nowhere.nii.gz", "does not exist"),
    "not an image": (lambda folder, _: _text(folder / "notes.txt"), "is not an image"),
    "tiny file": (lambda folder, _: _text(folder / "tiny.nii.gz", "x"), "is not an image"),
    "2-D": (lambda folder, _: _image(sitk.Image([40, 30], sitk.sitkInt16), folder / "in.nii.gz"), "2-D"),
    "4-D": (lambda folder, v: _image(sitk.JoinSeries([v.to_image()] * 2), folder / "in.nii.gz"), "4-D"),
    "vector": (lambda folder, v: _image(sitk.Compose([v.to_image()] * 3), folder / "in.nrrd"), "3 values a voxel"),
    "color": (lambda folder, _: _image(sitk.Image([9, 9, 30], sitk.sitkVectorUInt8, 3), folder / "in.mha"), "color"),
    "short": (lambda folder, v: write(slices(v, 0, 5), folder / "in.nii.gz"), "only 25.0 mm long"),
    "nan": (_changed(lambda a: np.where(a > 600, np.nan, a).astype(np.float32)), "NaN or infinite"),
    "infinite": (_changed(lambda a: np.where(a > 600, -np.inf, a).astype(np.float64), "in.mha"), "NaN or infinite"),
    "no body": (_changed(lambda a: np.full_like(a, -1000)), "no body is in view"),
    "mr": (_changed(lambda a: np.where(a > -300, a + 300, 3).astype(np.int16)), "no Hounsfield units"),
    "label map": (_changed(lambda a: (a > -300).astype(np.uint8)), "label map"),
    "stored values": (_changed(lambda a: (a + 1024).astype(np.uint16)), "without the rescale"),
    "missing slices": (_series(lambda files: [file.unlink() for file in files[9:12]]), "3 DICOM slices are missing"),
    "two series": (_series(lambda files: write_series(files[0].parent, series="B", prefix="b")), "2 CT series"),
    "no series": (lambda folder, _: folder, "holds no DICOM images"),
}


@pytest.mark.parametrize("kind", BAD_INPUTS)
def test_bad_input_is_one_sentence_code_2_and_no_file(
    run: Run, tmp_path: Path, small_torso: Volume, kind: str, halves: tuple[Path, Path]
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    make, says = BAD_INPUTS[kind]
    path = make(tmp_path / "in", small_torso)
    for arguments in (
        ["expand", path, tmp_path / "out" / "longer.nii.gz", "--mask", tmp_path / "out" / "mask.nii.gz"],
        ["register", halves[0], path, "--transform", tmp_path / "out" / "found.tfm"],
        ["register", path, halves[1], "--transform", tmp_path / "out" / "found.tfm", "--no-expansion"],
    ):
        done = run(*arguments)
        assert done.code == 2
        assert done.out == ""
        assert done.err.startswith("Error: ")
        assert done.err.count("\n") == 1
        assert says in done.err
        assert str(path) in done.err
        assert files_in(tmp_path / "out") == set()
