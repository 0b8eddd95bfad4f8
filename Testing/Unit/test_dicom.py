"""DICOM folders: one regular series is read with its rescale and geometry; every irregular one is refused by name."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pydicom
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


def test_missing_slices_are_counted_and_placed(tmp_path: Path) -> None:
    files = write_series(tmp_path / "series")
    for index in (5, 14, 15):
        files[index].unlink()
    with pytest.raises(InputError, match="3 DICOM slices are missing") as caught:
        read_volume(tmp_path / "series")
    assert files[4].name in str(caught.value)
    assert files[16].name in str(caught.value)


def test_gantry_tilt_is_named_with_its_angle(tmp_path: Path) -> None:
    places = _places()
    places[:, 1] += np.tan(np.radians(12)) * (places[:, 2] - places[0, 2])
    write_series(tmp_path / "series", positions=places, GantryDetectorTilt=12)
    with pytest.raises(InputError, match=r"gantry tilt of 12\.0 degrees"):
        read_volume(tmp_path / "series")


def test_two_series_are_both_named(tmp_path: Path) -> None:
    write_series(tmp_path / "series", series="LUNG")
    write_series(tmp_path / "series", series="SOFT", prefix="b")
    with pytest.raises(InputError, match="holds 2 DICOM series") as caught:
        read_volume(tmp_path / "series")
    assert '"CHEST LUNG" (24 files' in str(caught.value)
    assert '"CHEST SOFT" (24 files' in str(caught.value)


def test_uneven_spacing_is_named_with_its_range(tmp_path: Path) -> None:
    places = _places()
    places[12:, 2] += 2.0
    write_series(tmp_path / "series", positions=places)
    with pytest.raises(InputError, match=r"irregular \(6\.00 to 8\.00 mm"):
        read_volume(tmp_path / "series")


def test_two_phases_in_one_series_are_refused(tmp_path: Path) -> None:
    files = write_series(tmp_path / "series")
    shutil.copy(files[3], tmp_path / "series" / "copy.dcm")
    with pytest.raises(InputError, match=r"1 of its DICOM slices lie at the place of another .*copy\.dcm"):
        read_volume(tmp_path / "series")


def test_slice_shifted_sideways_is_refused(tmp_path: Path) -> None:
    places = _places()
    places[7, 0] += 5
    files = write_series(tmp_path / "series", positions=places)
    with pytest.raises(InputError, match=rf"{files[7].name} is shifted sideways by 5\.0 mm"):
        read_volume(tmp_path / "series")


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"ImageOrientationPatient": [1, 0, 0, 0, 0, -1]}, "differ in orientation"),
        ({"PixelSpacing": [10, 10]}, "differ in pixel spacing"),
    ],
)
def test_slices_of_another_stack_are_refused(tmp_path: Path, changed: dict[str, object], says: str) -> None:
    files = write_series(tmp_path / "series")
    data = pydicom.dcmread(files[2])
    for key, value in changed.items():
        setattr(data, key, value)
    data.save_as(files[2])
    with pytest.raises(InputError, match=says) as caught:
        read_volume(tmp_path / "series")
    assert files[2].name in str(caught.value)


def test_scout_of_another_size_is_refused(tmp_path: Path) -> None:
    files = write_series(tmp_path / "series")
    data = pydicom.dcmread(files[2])
    data.Rows, data.PixelData = 10, data.PixelData[: 10 * 24 * 2]
    data.save_as(files[2])
    with pytest.raises(InputError, match="differ in size"):
        read_volume(tmp_path / "series")


def test_other_modalities_are_refused(tmp_path: Path) -> None:
    write_series(tmp_path / "series", Modality="MR")
    with pytest.raises(InputError, match="modality MR, not CT"):
        read_volume(tmp_path / "series")


def test_stored_values_without_rescale_are_refused(tmp_path: Path) -> None:
    write_series(tmp_path / "series", intercept=None)
    with pytest.raises(InputError, match="without the rescale"):
        check_ct(read_volume(tmp_path / "series"))


@pytest.mark.parametrize("index", [0, 4, 23])
def test_a_damaged_file_is_named_also_at_an_end(tmp_path: Path, index: int) -> None:
    files = write_series(tmp_path / "series")
    files[index].write_bytes(files[index].read_bytes()[:-600])
    with pytest.raises(InputError, match=rf"series: {files[index].name} cannot be read"):
        read_volume(tmp_path / "series")


def test_single_slice_points_to_its_folder(tmp_path: Path) -> None:
    files = write_series(tmp_path / "series")
    with pytest.raises(InputError, match="single slice of a DICOM series; choose the folder"):
        read_volume(files[0])


def test_series_of_one_slice_is_too_short(tmp_path: Path) -> None:
    files = write_series(tmp_path / "series")
    for file in files[1:]:
        file.unlink()
    with pytest.raises(InputError, match="mm long along the body"):
        read_volume(tmp_path / "series")


def test_folder_of_folders_says_where_to_look(tmp_path: Path) -> None:
    write_series(tmp_path / "patient" / "series 1")
    with pytest.raises(InputError, match="series 1"):
        read_volume(tmp_path / "patient")
