"""`sspe expand`: what it writes, what it warns of, what stops it before the work."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from command_line import Run, files_in
from dicom_series import write_series
from phantoms import write

from SSPELib.io import read_volume
from SSPELib.model.bundle import ModelBundle
from SSPELib.volume import Volume


def test_expand_keeps_the_input_and_marks_what_is_new(run: Run, torso_file: Path, tiny_bundle: ModelBundle) -> None:
    before = torso_file.read_bytes()
    output, mask = torso_file.with_name("longer.nrrd"), torso_file.with_name("mask.nii.gz")
    done = run(
        *["expand", torso_file, output, "--direction", "both", "--distance", 32, "--mask", mask],
        *["--model", tiny_bundle.folder, "--device", "cpu"],
    )
    assert (done.code, done.out, done.err) == (0, "", "")
    original, longer = read_volume(torso_file), read_volume(output)
    assert longer.size == (48, 40, 40 + 2 * 7)
    np.testing.assert_array_equal(longer.array[7:-7], original.array)
    np.testing.assert_allclose(longer.origin[2], original.origin[2] - 7 * 5)
    marks = sitk.GetArrayFromImage(sitk.ReadImage(str(mask)))
    assert marks[:7].all()
    assert marks[-7:].all()
    assert not marks[7:-7].any()
    assert torso_file.read_bytes() == before
    assert files_in(torso_file.parent) == {"torso.nii.gz", "longer.nrrd", "mask.nii.gz"}


def test_expand_takes_a_dicom_folder(run: Run, tmp_path: Path) -> None:
    write_series(tmp_path / "série 1")
    assert run("expand", tmp_path / "série 1", tmp_path / "out.nii.gz", "--distance", 12, "--device", "cpu").code == 0
    assert read_volume(tmp_path / "out.nii.gz").size[2] == 24 + 2


def test_float_voxels_stay_floats(run: Run, tmp_path: Path, small_torso: Volume) -> None:
    array = small_torso.array.astype(np.float32) + 0.25
    write(small_torso.like(array), tmp_path / "in.nrrd")
    assert run("expand", tmp_path / "in.nrrd", tmp_path / "out.nrrd", "--distance", 10, "--device", "cpu").code == 0
    longer = read_volume(tmp_path / "out.nrrd")
    assert longer.array.dtype == np.float32
    np.testing.assert_array_equal(longer.array[2:], array)


def test_no_gpu_is_a_warning(run: Run, torso_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    done = run("expand", torso_file, torso_file.with_name("out.nii.gz"), "--distance", 10)
    assert done.code == 0
    assert done.err.startswith("Warning: No GPU was found")


def test_far_distance_is_a_warning_with_the_figures_of_the_model(run: Run, torso_file: Path) -> None:
    done = run("expand", torso_file, torso_file.with_name("out.nii.gz"), "--distance", 160, "--device", "cpu")
    assert done.code == 0
    assert "160 mm" in done.err
    assert "200 HU at 64 mm" in done.err


def test_body_cut_by_the_field_of_view_is_a_warning(run: Run, tmp_path: Path, small_torso: Volume) -> None:
    narrow = replace(small_torso, array=np.ascontiguousarray(small_torso.array[:, :, 14:-14]))
    write(narrow, tmp_path / "narrow.nii.gz")
    done = run("expand", tmp_path / "narrow.nii.gz", tmp_path / "out.nii.gz", "--distance", 10, "--device", "cpu")
    assert done.code == 0
    assert "field of view cuts the body" in done.err


@pytest.mark.parametrize("distance", ["0", "-5", "400.5", "nan", "inf", "far"])
def test_distance_out_of_range(run: Run, torso_file: Path, distance: str) -> None:
    done = run("expand", torso_file, torso_file.with_name("out.nii.gz"), "--distance", distance)
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert "distance" in done.err
    assert files_in(torso_file.parent) == {"torso.nii.gz"}


def _without_weights(folder: Path) -> None:
    (folder / "weights.pt").unlink()


def _with_changed_weights(folder: Path) -> None:
    data = bytearray((folder / "weights.pt").read_bytes())
    data[len(data) // 2] ^= 255
    (folder / "weights.pt").write_bytes(bytes(data))


@pytest.mark.parametrize(("damage", "says"), [(_without_weights, "missing"), (_with_changed_weights, "changed")])
def test_weights_missing_or_changed(
    run: Run, torso_file: Path, tiny_bundle: ModelBundle, damage: Callable[[Path], None], says: str
) -> None:
    folder = torso_file.parent / "model"
    shutil.copytree(tiny_bundle.folder, folder)
    damage(folder)
    done = run("expand", torso_file, torso_file.with_name("out.nii.gz"), "--model", folder)
    assert done.code == 2
    assert says in done.err
    assert str(folder) in done.err
    assert files_in(torso_file.parent) == {"torso.nii.gz", "model"}


def test_device_that_is_not_there(run: Run, torso_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    done = run("expand", torso_file, torso_file.with_name("out.nii.gz"), "--device", "cuda")
    assert done.code == 2
    assert "cuda" in done.err
    assert files_in(torso_file.parent) == {"torso.nii.gz"}


@pytest.mark.parametrize("place", ["nowhere/out.nii.gz", "torso.nii.gz/out.nii.gz", "out.png", "torso.nii.gz"])
def test_output_that_cannot_be_written_stops_before_the_work(
    run: Run, torso_file: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("the work began")

    monkeypatch.setattr("SSPELib.io.reading.read_image", never)
    before = torso_file.read_bytes()
    done = run("expand", torso_file, torso_file.parent / place)
    assert done.code == 2
    assert str(torso_file.parent / place) in done.err
    assert torso_file.read_bytes() == before


def test_two_outputs_of_one_name(run: Run, torso_file: Path) -> None:
    out = torso_file.with_name("out.nii.gz")
    done = run("expand", torso_file, out, "--mask", out)
    assert done.code == 2
    assert "another output" in done.err
