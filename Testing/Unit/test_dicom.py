"""DICOM folders: one regular series is read with its rescale and geometry; every irregular one is refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dicom_series import FRAME, VOLUME, write_series
from geometries import rotation
from numpy.typing import NDArray
from phantoms import torso

from SSPELib.errors import InputError
from SSPELib.io import read_volume
from SSPELib.volume import check_ct


def test_series_is_sorted_by_place_and_rescaled(tmp_path: Path) -> None:
    write_series(tmp_path / "series", slope=0.5)
    (tmp_path / "series" / "readme.txt").write_text("exported " * 40, encoding="utf-8")
    read = read_volume(tmp_path / "series")
    np.testing.assert_array_equal(read.array, VOLUME.array)
    np.testing.assert_allclose(read.index_to_lps, VOLUME.index_to_lps, atol=1e-4)
    assert read.frame_of_reference == FRAME
    assert check_ct(read) == []


@pytest.mark.parametrize("degrees", [(0, 0, 0), (8, -5, 10), (180, 0, 0), (90, 0, 0)])
def test_oblique_and_feet_first_series_keep_every_voxel_in_place(
    tmp_path: Path, degrees: tuple[float, float, float]
) -> None:
    volume = torso(size=(24, 20, 24), spacing=(14, 13, 14), direction=rotation(degrees))
    read = read_volume(write_series(tmp_path / "series", volume)[0].parent)
    for index in [(0, 0, 0), (23, 19, 23), (12, 3, 7)]:
        place = volume.index_to_lps @ [*index, 1]
        found = np.rint(np.linalg.inv(read.index_to_lps) @ place)[:3].astype(int)
        np.testing.assert_allclose(read.index_to_lps @ [*found, 1], place, atol=1e-3)
        assert read.array[tuple(found[::-1])] == volume.array[index[::-1]]


def test_positions_rounded_by_the_scanner_are_regular(tmp_path: Path) -> None:
    volume = torso(size=(24, 20, 60), spacing=(14, 13, 0.625))
    positions = np.array([(volume.index_to_lps @ [0, 0, k, 1])[:3] for k in range(60)])
    positions[:, 2] = np.round(positions[:, 2], 1)
    read = read_volume(write_series(tmp_path / "series", volume, positions=positions)[0].parent)
    assert read.spacing[2] == pytest.approx(0.625, abs=2e-3)


def test_folder_that_is_not_ascii(tmp_path: Path) -> None:
    write_series(tmp_path / "Thorax Größe 胸部")
    assert read_volume(tmp_path / "Thorax Größe 胸部").size == VOLUME.size


def _places() -> NDArray[np.float64]:
    return np.array([(VOLUME.index_to_lps @ [0, 0, k, 1])[:3] for k in range(VOLUME.size[2])])


def test_two_series_are_both_named(tmp_path: Path) -> None:
    write_series(tmp_path / "series", series="LUNG")
    write_series(tmp_path / "series", series="SOFT", prefix="b")
    with pytest.raises(InputError, match="holds 2 CT series") as caught:
        read_volume(tmp_path / "series")
    assert '"CHEST LUNG" (24 slices' in str(caught.value)
    assert '"CHEST SOFT" (24 slices' in str(caught.value)


def test_slice_shifted_sideways_is_refused(tmp_path: Path) -> None:
    places = _places()
    places[7, 0] += 5
    files = write_series(tmp_path / "series", positions=places)
    with pytest.raises(InputError, match=rf"{files[7].name} is shifted sideways by 5\.0 mm"):
        read_volume(tmp_path / "series")
