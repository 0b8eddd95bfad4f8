"""The check for HU and a body: takes every CT, refuses what is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from phantoms import torso

from SSPELib.errors import InputError
from SSPELib.io import read_volume
from SSPELib.volume import Volume, check_ct


def test_a_ct_passes_without_warning(small_torso: Volume) -> None:
    assert check_ct(small_torso) == []


@pytest.mark.parametrize("padding", [-1024, -2000, -3024])
def test_padding_outside_the_body_does_not_matter(small_torso: Volume, padding: int) -> None:
    array = small_torso.array.copy()
    array[array < -850] = padding
    assert check_ct(small_torso.like(array)) == []


def test_metal_does_not_matter(small_torso: Volume) -> None:
    array = small_torso.array.copy()
    array[10:14, 20:24, 20:26] = 30000
    assert check_ct(small_torso.like(array)) == []


@pytest.mark.parametrize("dtype", [np.int32, np.float32, np.float64])
def test_other_data_types_pass(small_torso: Volume, dtype: type) -> None:
    assert check_ct(small_torso.like(small_torso.array.astype(dtype))) == []


def test_noise_free_phantom_of_few_values_passes() -> None:
    assert check_ct(torso(noise_hu=0)) == []


def _mr(hu: NDArray[np.float64]) -> NDArray[np.generic]:
    return np.where(hu > -300, 300 + hu, np.abs(hu) / 100).clip(0).astype(np.int16)


WRONG = {
    "mr": (_mr, "MR"),
    "stored without rescale": (lambda hu: (hu + 1024).astype(np.uint16), "rescale"),
    "stored, padded": (lambda hu: np.where(hu < -850, -1024, hu + 1024).astype(np.int16), "rescale"),
    "label map": (lambda hu: np.digitize(hu, [-300, 0, 300]).astype(np.uint8), "label map"),
    "label map in floats": (lambda hu: np.digitize(hu, [-300, 0, 300]).astype(np.float32), "label map"),
    "normalized": (lambda hu: (hu / 1000).astype(np.float32), "spans only"),
    "zero mean": (lambda hu: ((hu - hu.mean()) / hu.std()).astype(np.float32), "spans only"),
    "display window": (lambda hu: hu.clip(-160, 240).astype(np.int16), "display window"),
    "eight bit": (lambda hu: ((hu + 1024) / 3).clip(0, 255).astype(np.uint8), "no Hounsfield units|label map"),
    "rescaled twice": (lambda hu: (hu - 1024).astype(np.int16), "no body|soft tissue"),
    "wrong slope": (lambda hu: (hu * 8).astype(np.int16), "soft tissue"),
    "air only": (lambda hu: np.full(hu.shape, -1000, dtype=np.int16), "no body"),
    "noise in air": (lambda hu: np.random.default_rng(1).normal(-1000, 20, hu.shape), "no body"),
    "zeros": (lambda hu: np.zeros(hu.shape, dtype=np.int16), "no body"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_no_ct_is_refused(small_torso: Volume, kind: str) -> None:
    change, says = WRONG[kind]
    wrong = replace(small_torso.like(change(small_torso.array.astype(np.float64))), name="wrong.nii.gz")
    with pytest.raises(InputError, match=says) as caught:
        check_ct(wrong)
    assert "wrong.nii.gz" in str(caught.value)
    assert "choose" in str(caught.value) or "export" in str(caught.value)


def test_too_little_of_a_body_is_refused(small_torso: Volume) -> None:
    array = small_torso.array.copy()
    array[4:] = -1000
    with pytest.raises(InputError, match="only 20 mm of a body"):
        check_ct(small_torso.like(array))


def test_body_cut_by_the_border_is_a_warning(small_torso: Volume) -> None:
    narrow = replace(small_torso, array=np.ascontiguousarray(small_torso.array[:, :, 14:-14]))
    (warning,) = check_ct(narrow)
    assert "field of view cuts the body in 100% of the slices" in warning


def test_body_cut_by_the_circle_of_reconstruction_is_a_warning() -> None:
    volume = torso(size=(80, 80, 40), spacing=(3, 3, 5))
    y, x = np.ogrid[:80, :80]
    array = volume.array.copy()
    array[:, np.hypot(y - 39.5, x - 39.5) > 40] = -2048
    (warning,) = check_ct(volume.like(array))
    assert "field of view cuts the body" in warning


def test_every_real_ct_passes(ct_data: Path) -> None:
    cut_sideways = ct_data / "torso" / "lidc_0003.nii.gz"
    files = [*sorted(ct_data.glob("openkbp/*/*_ct.nii.gz"))[::8], *sorted(ct_data.glob("torso/*.nii.gz"))[::3]]
    files = sorted({*files, cut_sideways})
    assert len(files) > 20
    warned = {path.name for path in files if check_ct(read_volume(path))}
    assert cut_sideways.name in warned
    assert "matrad_liver.nii.gz" not in warned


def test_label_maps_of_real_patients_are_refused(ct_data: Path) -> None:
    labels = read_volume(
        ct_data
        / "openkbp"
        / "test"
        / next(iter(sorted(path.name for path in (ct_data / "openkbp" / "test").glob("*_labels.nii.gz"))))
    )
    with pytest.raises(InputError, match="label map"):
        check_ct(labels)
