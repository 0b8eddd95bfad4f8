"""Reading files: formats, geometry, data types, and one clear sentence for each file that cannot be used."""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from geometries import rotation
from phantoms import torso, write

from SSPELib.errors import InputError
from SSPELib.io import read_volume, read_volumes
from SSPELib.io.nifti import StoredVoxels, stored_voxels
from SSPELib.io.silence import libraries_silenced
from SSPELib.io.writing import Outputs
from SSPELib.io.zipping import BLOCK_BYTES, unzip_file, zip_pieces
from SSPELib.options import ReadOptions
from SSPELib.volume import Volume, body_axis

FLIPPED = np.diag([-1.0, 1.0, -1.0])
LEFT_HANDED = np.diag([1.0, 1.0, -1.0])
SAGITTAL = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha", ".mhd"])
def test_every_format_keeps_voxels_type_and_geometry(tmp_path: Path, suffix: str) -> None:
    volume = torso(direction=rotation((7, -4, 12)), center=(11.5, -30.25, 400))
    read = read_volume(write(volume, tmp_path / f"torso{suffix}"))
    assert read.array.dtype == np.int16
    np.testing.assert_array_equal(read.array, volume.array)
    np.testing.assert_allclose(read.index_to_lps, volume.index_to_lps, atol=1e-4)


@pytest.mark.parametrize("direction", [FLIPPED, LEFT_HANDED, SAGITTAL], ids=["flipped", "left-handed", "sagittal"])
def test_flipped_left_handed_and_sagittal_grids_are_read_as_they_are(tmp_path: Path, direction: np.ndarray) -> None:
    volume = torso(size=(40, 40, 40), spacing=(8, 8, 8), direction=direction)
    read = read_volume(write(volume, tmp_path / "torso.nrrd"))
    np.testing.assert_allclose(read.direction, direction, atol=1e-9)
    assert body_axis(read) == body_axis(volume)


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32, np.float64])
def test_data_type_is_kept(tmp_path: Path, small_torso: Volume, dtype: type) -> None:
    read = read_volume(write(small_torso.like(small_torso.array.astype(dtype)), tmp_path / "torso.nrrd"))
    assert read.array.dtype == dtype
    np.testing.assert_array_equal(read.array, small_torso.array)


def test_names_and_folders_that_are_not_ascii(tmp_path: Path, small_torso: Volume) -> None:
    folder = tmp_path / "Müller 患者 №1"
    folder.mkdir()
    path = write(small_torso, folder / "Brust Übersicht.nii.gz")
    read = read_volume(path)
    np.testing.assert_array_equal(read.array, small_torso.array)
    assert read.name == str(path)


def test_fourth_axis_of_one_time_point_is_dropped(tmp_path: Path, small_torso: Volume) -> None:
    path = tmp_path / "one_time_point.mha"
    sitk.WriteImage(sitk.JoinSeries([small_torso.to_image()]), str(path))
    read = read_volume(path)
    np.testing.assert_array_equal(read.array, small_torso.array)
    np.testing.assert_allclose(read.index_to_lps, small_torso.index_to_lps)


def _missing(folder: Path, _: Volume) -> Path:
    return folder / "nowhere.nii.gz"


def _text(folder: Path, _: Volume) -> Path:
    path = folder / "notes.nii.gz"
    path.write_text("this is no image " * 30, encoding="utf-8")
    return path


def _plain_text(folder: Path, _: Volume) -> Path:
    path = folder / "notes.txt"
    path.write_text("this is no image " * 30, encoding="utf-8")
    return path


def _empty(folder: Path, _: Volume) -> Path:
    path = folder / "empty.nrrd"
    path.touch()
    return path


def _truncated(suffix: str) -> Callable[[Path, Volume], Path]:
    def make(folder: Path, volume: Volume) -> Path:
        path = write(volume, folder / f"torso{suffix}")
        path.write_bytes(path.read_bytes()[:-200])
        return path

    return make


def _damaged_within(folder: Path, volume: Volume) -> Path:
    """A zipped file in which some bytes of the voxels are others than were written; its length is right."""
    path = folder / "torso.nii.gz"
    written = gzip.compress(write(volume, folder / "torso.nii").read_bytes(), compresslevel=0)
    half = len(written) // 2
    path.write_bytes(written[:half] + bytes(byte ^ 1 for byte in written[half : half + 9]) + written[half + 9 :])
    return path


def _picture(folder: Path, _: Volume) -> Path:
    path = folder / "picture.png"
    sitk.WriteImage(sitk.Image([40, 30], sitk.sitkUInt8), str(path))
    return path


def _four_dimensions(folder: Path, volume: Volume) -> Path:
    path = folder / "times.nii.gz"
    sitk.WriteImage(sitk.JoinSeries([volume.to_image()] * 3), str(path))
    return path


def _vector(folder: Path, volume: Volume) -> Path:
    path = folder / "vector.nrrd"
    sitk.WriteImage(sitk.Compose([volume.to_image()] * 2), str(path))
    return path


def _color(folder: Path, _: Volume) -> Path:
    path = folder / "color.mha"
    sitk.WriteImage(sitk.Image([20, 20, 40], sitk.sitkVectorUInt8, 3), str(path))
    return path


def _short(folder: Path, _: Volume) -> Path:
    return write(torso(size=(40, 40, 11), spacing=(8, 8, 2.5)), folder / "short.nii.gz")


def _not_a_number(folder: Path, volume: Volume) -> Path:
    array = volume.array.astype(np.float32)
    array[4, 5, 6:9] = np.nan
    return write(volume.like(array), folder / "holes.nii.gz")


def _infinite(folder: Path, volume: Volume) -> Path:
    array = volume.array.astype(np.float32)
    array[4, 5, 6], array[4, 5, 7] = np.inf, -np.inf
    return write(volume.like(array), folder / "infinite.nrrd")


def _not_a_number_in_doubles(folder: Path, volume: Volume) -> Path:
    array = volume.array.astype(np.float64)
    array[-1, -1, -1] = np.nan
    return write(volume.like(array), folder / "holes.nii")


def _folder_without_dicom(folder: Path, _: Volume) -> Path:
    (folder / "series" / "inside").mkdir(parents=True)
    (folder / "series" / "notes.txt").write_text("nothing " * 40, encoding="utf-8")
    return folder / "series"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_missing, "does not exist"),
        (_text, "is not an image"),
        (_plain_text, "is not an image"),
        (_empty, "is empty"),
        (_truncated(".nrrd"), "damaged or incomplete"),
        (_truncated(".mha"), "damaged or incomplete"),
        (_truncated(".nii"), "damaged or incomplete"),
        (_truncated(".nii.gz"), "damaged or incomplete"),
        (_damaged_within, "is damaged|or is damaged"),
        (_picture, r"is a 2-D image \(40 x 30\)"),
        (_four_dimensions, r"is 4-D \(48 x 40 x 40 x 3\)"),
        (_vector, "2 values a voxel"),
        (_color, "3 values a voxel"),
        (_short, r"only 27.5 mm long along the body \(slices: 11\)"),
        (_not_a_number, r"NaN or infinite \(voxels: 3\)"),
        (_not_a_number_in_doubles, r"NaN or infinite \(voxels: 1\)"),
        (_infinite, r"NaN or infinite \(voxels: 2\)"),
        (_folder_without_dicom, "holds no DICOM images, nor do the folders in it"),
    ],
)
def test_what_cannot_be_used_is_named_in_one_sentence(
    tmp_path: Path,
    small_torso: Volume,
    make: Callable[[Path, Volume], Path],
    says: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    path = make(tmp_path, small_torso)
    with pytest.raises(InputError, match=says) as caught:
        read_volume(path)
    # The image libraries must not add words of their own.
    assert capfd.readouterr() == ("", "")
    assert str(path) in str(caught.value)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_a_zipped_file_is_read_itself_and_not_the_unzipped_one_beside_it(tmp_path: Path, small_torso: Volume) -> None:
    path = write(small_torso, tmp_path / "torso.nii.gz")
    write(small_torso.like(small_torso.array[::-1].astype(np.float32)), tmp_path / "torso.nii")
    np.testing.assert_array_equal(read_volume(path).array, small_torso.array)
    with Outputs() as outputs:
        outputs.image(small_torso.to_image(), tmp_path / "out.nii")
        outputs.image(small_torso.like(small_torso.array + 1).to_image(), tmp_path / "out.nii.gz")
    np.testing.assert_array_equal(read_volume(tmp_path / "out.nii.gz").array, small_torso.array + 1)


def test_several_volumes_read_at_once_keep_their_order_and_say_what_is_wrong(
    tmp_path: Path, small_torso: Volume, capfd: pytest.CaptureFixture[str]
) -> None:
    paths = [
        write(small_torso.like(small_torso.array + number), tmp_path / f"{number}{suffix}")
        for number, suffix in enumerate((".nii.gz", ".nrrd", ".nii.gz", ".mha"))
    ]
    options = [ReadOptions()] * len(paths)
    for number, volume in enumerate(read_volumes(paths, options)):
        np.testing.assert_array_equal(volume.array, small_torso.array + number)
    paths[2].write_bytes(paths[2].read_bytes()[:-400])
    with pytest.raises(InputError, match=r"2\.nii\.gz is damaged"):
        read_volumes(paths, options)
    os.write(2, b"heard again\n")
    assert capfd.readouterr().err == "heard again\n"


def test_gzip_files_of_several_streams_and_trailing_zeros_are_unzipped(tmp_path: Path) -> None:
    whole = np.random.default_rng(1).integers(0, 9, 3 * BLOCK_BYTES + 17, dtype=np.uint8).tobytes()
    pieces = [whole[:1000], whole[1000 : BLOCK_BYTES + 5], b"", whole[BLOCK_BYTES + 5 :]]
    zipped, plain = tmp_path / "a.gz", tmp_path / "a"
    zipped.write_bytes(b"".join(gzip.compress(piece, 1) for piece in pieces) + bytes(600))
    unzip_file(zipped, plain)
    assert plain.read_bytes() == whole
    zip_pieces([memoryview(whole[:7]), memoryview(whole[7:])], zipped)
    assert gzip.decompress(zipped.read_bytes()) == whole
    for damaged in (zipped.read_bytes()[:-1], zipped.read_bytes()[:-8] + bytes(8)):
        zipped.write_bytes(damaged)
        with pytest.raises((EOFError, zlib.error)):
            unzip_file(zipped, plain)


def test_nifti_2_and_the_other_byte_order_are_looked_through(tmp_path: Path) -> None:
    voxels = np.zeros(24, np.float32)
    voxels[5] = np.nan
    for order, name in (("<", "little.nii"), (">", "big.nii")):
        head = struct.pack(f"{order}i8s2h8q", 540, b"n+2\0\r\n\x1a\n", 16, 32, 3, 2, 3, 4, 1, 1, 1, 1)
        head = head.ljust(168, b"\0") + struct.pack(f"{order}q", 544)
        whole = head.ljust(544, b"\0") + voxels.astype(f"{order}f4").tobytes()
        (tmp_path / name).write_bytes(whole)
        assert stored_voxels(tmp_path / name) == StoredVoxels(complete=True, not_finite=1)
        (tmp_path / name).write_bytes(whole[:-4])
        assert not stored_voxels(tmp_path / name).complete


def test_what_is_printed_afterwards_is_seen_again(capfd: pytest.CaptureFixture[str]) -> None:
    with libraries_silenced():
        os.write(2, b"chatter\n")
    os.write(2, b"heard\n")
    assert capfd.readouterr().err == "heard\n"


def test_slices_that_are_sheared_in_themselves_are_refused(tmp_path: Path) -> None:
    header = (
        "NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: 20 20 40\n"
        "space directions: (2,0,0) (0.6,2,0) (0,0,2)\nspace origin: (0,0,0)\nendian: little\nencoding: raw\n\n"
    )
    path = tmp_path / "sheared.nrrd"
    path.write_bytes(header.encode() + np.zeros((40, 20, 20), dtype=np.int16).tobytes())
    with pytest.raises(InputError, match="rows and columns are not at right angles"):
        read_volume(path)
