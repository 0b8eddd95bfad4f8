"""Importing DICOM trees: the longest good series of every study, persons on one side each, bad series with a reason."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_series import write_series
from phantoms import torso
from pydicom.uid import generate_uid

from SSPELib.errors import Cancelled, InputError
from SSPELib.io import read_volume
from SSPELib.volume import Volume
from SSPEResearch.training.importing import import_dicom, resampled, split_persons

BODY = torso(size=(30, 26, 32), spacing=(12.0, 11.0, 6.0))
SHORT = torso(size=(30, 26, 28), spacing=(12.0, 11.0, 6.0))


def add(tree: Path, person: str, study: str, series: str, volume: Volume = BODY, **tags: object) -> list[Path]:
    """Write a series as person / study / series."""
    named = {
        "PatientID": person,
        "StudyInstanceUID": generate_uid(entropy_srcs=[person, study]),
        "StudyDate": "20200101",
        "StudyTime": f"{study}0000",
        **tags,
    }
    return write_series(tree / person / study / series, volume, series=f"{person}{study}{series}", **named)


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two persons, one seen twice, with bad series of every kind among the good ones."""
    tree = tmp_path_factory.mktemp("tcia")
    add(tree, "P1", "08", "whole")
    add(tree, "P1", "08", "short", SHORT)
    add(tree, "P1", "08", "pet", Modality="PT")
    add(tree, "P1", "09", "whole")
    add(tree, "P2", "08", "broken")[4].unlink()
    add(tree, "P2", "08", "next", SHORT)
    add(tree, "P2", "09", "few", torso(size=(30, 26, 10), spacing=(12.0, 11.0, 6.0)))
    (tree / "LICENSE").write_text("as TCIA says " * 20)
    return tree


def test_longest_good_series_of_every_study_becomes_a_volume(tree, tmp_path):
    imported, rejected = import_dicom(tree, tmp_path / "out", spacing_mm=4.0, validation=0.0, test=0.5)
    assert [(row.person, row.time_point, Path(row.source).name) for row in imported] == [
        ("P1", 1, "whole"),
        ("P1", 2, "whole"),
        ("P2", 1, "next"),
    ]
    reasons = {Path(row.source).name: row.reason for row in rejected}
    assert "another series" in reasons["short"]
    assert "modality PT" in reasons["pet"]
    assert "1 DICOM slice is missing" in reasons["broken"]
    assert "only 54 mm" in reasons["few"]
    assert len(rejected) == 4
    assert rows(tmp_path / "out" / "index.tsv")[2]["z_mm"] == "168.0"
    assert [row["series"] for row in rows(tmp_path / "out" / "rejected.tsv")] == [row.series for row in rejected]
    assert all((tmp_path / "out" / row.file).is_file() for row in imported)
    assert {row.split for row in imported if row.person == "P1"} != {
        row.split for row in imported if row.person == "P2"
    }


def test_volumes_show_the_body_of_the_slices_in_its_place(tree, tmp_path):
    imported, _ = import_dicom(tree, tmp_path / "out", spacing_mm=12.0)
    written = read_volume(tmp_path / "out" / imported[0].file)
    assert written.spacing == pytest.approx((12.0, 12.0, 12.0))
    again = sitk.Resample(BODY.to_image(), written.to_image(), sitk.Transform(), sitk.sitkLinear, -1000.0)
    difference = np.abs(sitk.GetArrayFromImage(again).astype(float) - written.array)
    assert np.median(difference) < 25


def test_resampling_averages_finer_voxels_and_keeps_coarser_ones():
    volume = torso(size=(40, 40, 24), spacing=(1.0, 1.0, 5.0))
    array = np.zeros((24, 40, 40), np.int16)
    array[:, :, 1::2] = 100
    image = resampled(volume.like(array), 2.0)
    assert image.GetSpacing() == pytest.approx((2.0, 2.0, 5.0))
    assert image.GetSize() == (20, 20, 24)
    assert (sitk.GetArrayFromImage(image) == 50).all()
    faces = [np.array(i.TransformContinuousIndexToPhysicalPoint([-0.5] * 3)) for i in (image, volume.to_image())]
    assert np.allclose(*faces)


def test_volumes_turned_any_way_come_out_upright():
    turned = replace(BODY, direction=np.diag([-1.0, -1.0, 1.0]), origin=(-BODY.origin[0], -BODY.origin[1], 0.0))
    assert np.allclose(resampled(turned, 12.0).GetDirection(), np.eye(3).ravel())


def test_every_long_series_of_a_study_on_demand(tree, tmp_path):
    add(tmp_path / "tree", "P3", "08", "early", AcquisitionTime="080000")
    add(tmp_path / "tree", "P3", "08", "late", AcquisitionTime="093000")
    add(tmp_path / "tree", "P3", "08", "short", SHORT)
    imported, rejected = import_dicom(tmp_path / "tree", tmp_path / "out", spacing_mm=12.0, whole_studies=True)
    assert [row.time_point for row in imported] == [1, 2]
    assert [Path(row.source).name for row in rejected] == ["short"]


@pytest.mark.parametrize("seed", range(5))
def test_no_person_is_on_both_sides_and_shares_are_kept(seed):
    persons = [f"P{number}" for number in range(30)]
    parts = split_persons(persons, 0.1, 0.2, seed)
    assert sorted(parts) == sorted(persons)
    assert [list(parts.values()).count(part) for part in ("train", "validation", "test")] == [21, 3, 6]
    assert parts == split_persons(persons, 0.1, 0.2, seed)
    assert parts != split_persons(persons, 0.1, 0.2, seed + 1)


def test_persons_without_a_usable_volume_take_no_place_in_a_part(tmp_path):
    for number in range(3):
        add(tmp_path / "tree", f"P{number}", "08", "whole")
    for number in range(3, 8):
        add(tmp_path / "tree", f"P{number}", "08", "pet", Modality="PT")
    imported, _ = import_dicom(tmp_path / "tree", tmp_path / "out", spacing_mm=12.0)
    assert sorted(row.split for row in imported) == ["test", "train", "validation"]
    assert all((tmp_path / "out" / row.file).is_file() and row.file.startswith(row.split) for row in imported)


def test_names_that_no_file_may_have_stay_different(tmp_path):
    for folder, person in (("one", "P/1"), ("two", "P 1")):
        write_series(tmp_path / "tree" / folder, BODY, series=person, PatientID=person)
    imported, _ = import_dicom(tmp_path / "tree", tmp_path / "out", spacing_mm=12.0)
    assert len({row.file for row in imported}) == 2


def test_a_series_that_may_lack_its_last_slice_is_left_out(tmp_path):
    last = add(tmp_path / "tree", "P1", "08", "cut off")[-1]
    last.write_bytes(last.read_bytes()[:-200])
    add(tmp_path / "tree", "P1", "08", "short", SHORT)
    imported, rejected = import_dicom(tmp_path / "tree", tmp_path / "out", spacing_mm=12.0)
    assert [Path(row.source).name for row in imported] == ["short"]
    assert [f"the pixels of {last.name} cannot be read" in row.reason for row in rejected] == [True]


def test_persons_with_letters_that_are_not_ascii_are_kept_apart(tmp_path):
    for folder, person in (("one", "Mü"), ("two", "Mö"), ("three", "患者")):
        charset = "ISO_IR 192" if folder == "three" else "ISO_IR 100"
        write_series(tmp_path / "tree" / folder, BODY, series=folder, PatientID=person, SpecificCharacterSet=charset)
    import_dicom(tmp_path / "tree", tmp_path / "out", spacing_mm=12.0)
    assert {row["person"] for row in rows(tmp_path / "out" / "index.tsv")} == {"Mü", "Mö", "患者"}


def test_nothing_usable_nothing_written(tree, tmp_path):
    add(tmp_path / "tree", "P1", "08", "pet", Modality="PT")
    with pytest.raises(InputError, match=r"no usable CT series .*modality PT"):
        import_dicom(tmp_path / "tree", tmp_path / "out")
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "file").touch()
    with pytest.raises(InputError, match="in use already"):
        import_dicom(tree, tmp_path / "used")
    with pytest.raises(InputError, match="leave something to train on"):
        import_dicom(tree, tmp_path / "out", validation=0.5, test=0.5)

    def cancel(fraction: float, _: str) -> None:
        if fraction > 0.6:
            raise Cancelled

    with pytest.raises(Cancelled):
        import_dicom(tree, tmp_path / "out", progress=cancel)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tree", "used"]
