"""Writing: all of a result or nothing of it, and no surprise after the work."""

from __future__ import annotations

import errno
import gzip
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from command_line import files_in
from geometries import rotation

from SSPELib.errors import InputError
from SSPELib.io import read_volume, write_image, write_transform
from SSPELib.io.writing import Outputs, check_suffix, check_writable, make_folder
from SSPELib.volume import Volume


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha", ".mhd"])
def test_written_image_reads_back_and_nothing_else_is_left(tmp_path: Path, small_torso: Volume, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    write_image(small_torso.to_image(), path)
    np.testing.assert_array_equal(read_volume(path).array, small_torso.array)
    expected = {path.name} | ({"out.zraw"} if suffix == ".mhd" else set())
    assert {file.name for file in tmp_path.iterdir()} == expected


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_zipped_files_hold_byte_for_byte_what_itk_writes(tmp_path: Path, kind: type) -> None:
    random = np.random.default_rng(1)
    image = sitk.GetImageFromArray(random.integers(0, 200, (7, 5, 3)).astype(kind))
    image.SetSpacing((0.7, 1.1, 2.5))
    image.SetOrigin((-120.3, 44.5, 1e3))
    image.SetDirection((rotation((10.0, -20.0, 33.0)) @ np.diag([1.0, 1.0, -1.0])).ravel().tolist())
    write_image(image, tmp_path / "out.nii.gz")
    sitk.WriteImage(image, str(tmp_path / "plain.nii"))
    assert gzip.decompress((tmp_path / "out.nii.gz").read_bytes()) == (tmp_path / "plain.nii").read_bytes()
    pairs = sitk.Compose(image, image)
    write_image(pairs, tmp_path / "pairs.nii.gz")
    assert sitk.ReadImage(str(tmp_path / "pairs.nii.gz")).GetNumberOfComponentsPerPixel() == 2


@pytest.mark.parametrize("suffix", [".tfm", ".txt", ".h5"])
def test_written_transform_reads_back(tmp_path: Path, suffix: str) -> None:
    transform = sitk.VersorRigid3DTransform((0, 0, 1), 0.2, (3, 4, -5), (10, 20, 30))
    path = tmp_path / f"found{suffix}"
    write_transform(transform, path)
    read = sitk.ReadTransform(str(path))
    np.testing.assert_allclose(read.TransformPoint((1, 2, 3)), transform.TransformPoint((1, 2, 3)), atol=1e-9)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_an_earlier_result_is_replaced(tmp_path: Path, small_torso: Volume) -> None:
    path = tmp_path / "out.nrrd"
    path.write_text("older", encoding="utf-8")
    write_image(small_torso.to_image(), path)
    assert read_volume(path).size == small_torso.size


def test_what_is_outdated_goes_when_the_new_result_appears(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text("older", encoding="utf-8")

    def work(error: BaseException | None) -> None:
        with Outputs() as outputs:
            outputs.text("{}", tmp_path / "report.json")
            outputs.without(page)
            outputs.without(tmp_path / "never.pdf")
            assert page.exists()
            if error is not None:
                raise error

    with pytest.raises(KeyboardInterrupt):
        work(KeyboardInterrupt())
    assert page.exists()
    work(None)
    assert files_in(tmp_path) == {"report.json"}


@pytest.mark.parametrize("error", [RuntimeError("work failed"), KeyboardInterrupt()])
def test_an_interruption_leaves_nothing_and_keeps_the_earlier_result(
    tmp_path: Path, small_torso: Volume, error: BaseException
) -> None:
    (tmp_path / "report.json").write_text("older", encoding="utf-8")

    def work() -> None:
        with Outputs() as outputs:
            outputs.image(small_torso.to_image(), tmp_path / "out.nii.gz")
            outputs.text("newer", tmp_path / "report.json")
            raise error

    with pytest.raises(type(error)):
        work()
    assert [file.name for file in tmp_path.iterdir()] == ["report.json"]
    assert (tmp_path / "report.json").read_text(encoding="utf-8") == "older"


def test_outputs_of_one_result_may_lie_in_several_folders(tmp_path: Path, small_torso: Volume) -> None:
    (tmp_path / "a").mkdir()
    with Outputs() as outputs:
        outputs.image(small_torso.to_image(), tmp_path / "a" / "out.nii.gz")
        outputs.text("{}", tmp_path / "report.json")
        assert not (tmp_path / "report.json").exists()
    assert (tmp_path / "a" / "out.nii.gz").is_file()
    assert (tmp_path / "report.json").read_text(encoding="utf-8") == "{}"


def test_unknown_suffixes_are_refused_with_those_that_are_known(tmp_path: Path, small_torso: Volume) -> None:
    with pytest.raises(InputError, match=r"out\.png has no suffix.*\.nii\.gz"):
        write_image(small_torso.to_image(), tmp_path / "out.png")
    with pytest.raises(InputError, match=r"\.tfm or \.h5 or \.txt"):
        check_suffix("found.mat", (".tfm", ".h5", ".txt"))
    assert list(tmp_path.iterdir()) == []


def test_folders_that_cannot_be_written_are_found_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"missing does not exist; create"):
        check_writable(tmp_path / "missing" / "out.nii.gz")
    with pytest.raises(InputError, match="is not a folder"):
        check_writable(tmp_path / "file" / "out.nii.gz")
    with pytest.raises(InputError, match="is a folder; give the name of a file"):
        check_writable(tmp_path)
    check_writable(tmp_path / "out.nii.gz")
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_a_folder_for_results_is_made_and_stays_empty(tmp_path: Path) -> None:
    for _ in range(2):
        make_folder(tmp_path / "new" / "results")
        assert list((tmp_path / "new" / "results").iterdir()) == []
    (tmp_path / "file").touch()
    for place in ("file", "file/results"):
        with pytest.raises(InputError, match=rf"{place} cannot be made a folder of results \(.+\); choose another"):
            make_folder(tmp_path / place)


def test_a_folder_without_rights_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    with pytest.raises(InputError, match=r"results cannot be made a folder of results \(Permission denied\)"):
        make_folder(tmp_path / "results")
    with pytest.raises(InputError, match=r"out\.nii\.gz cannot be written; check that its folder is writable"):
        check_writable(tmp_path / "out.nii.gz")


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha", ".mhd"])
def test_an_image_that_was_cut_off_while_it_was_written_is_no_result(
    tmp_path: Path, small_torso: Volume, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    write = sitk.WriteImage

    def cut_off(image: sitk.Image, path: str, **options: object) -> None:
        # As on a full disk, of which the NIfTI library says nothing.
        write(image, path, **options)
        largest = max(Path(path).parent.iterdir(), key=lambda file: file.stat().st_size)
        largest.write_bytes(largest.read_bytes()[:-1000])

    def full(pieces: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("SimpleITK.WriteImage", cut_off)
    monkeypatch.setattr("SSPELib.io.nifti.zip_pieces", full)
    with pytest.raises(InputError, match=r"out\..* cannot be written; check .* the disk not full"):
        write_image(small_torso.to_image(), tmp_path / f"out{suffix}")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_a_sentence_for_pictures_too(tmp_path: Path) -> None:
    def work() -> None:
        with Outputs() as outputs:
            outputs.beside(tmp_path / "figure.png").touch()
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(InputError, match=r"figure\.png cannot be written"):
        work()
    assert list(tmp_path.iterdir()) == []
