"""DICOM out: what the standard's tables require, read again by others with the same geometry and the same HU."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from command_line import Run
from dicom_series import FRAME, write_series
from geometries import GEOMETRIES, Geometry, any_geometry, rotation
from hypothesis import given, settings
from hypothesis import strategies as st
from known_registration import known_registration
from phantoms import torso, write

from SSPELib import tasks
from SSPELib.alignment import read_alignment
from SSPELib.dicom_objects.ct_series import ct_series, save_series
from SSPELib.dicom_objects.export import export_registration, export_volume
from SSPELib.dicom_objects.source import Source, source_of
from SSPELib.dicom_objects.spatial_registration import read_spatial_registration, spatial_registration
from SSPELib.errors import InputError
from SSPELib.io import read_volume
from SSPELib.poses import matrix_of
from SSPELib.volume import Provenance, Volume
from SSPELib.volume.points import at_indices, indices_at

TURN = sitk.VersorRigid3DTransform((0.3, -0.2, 1.0), 0.12, (15, -12, 25), (5, 10, -100))
WHO = {"PatientID": "P1", "PatientName": "Someone^Some", "PatientSex": "O", "StudyID": "7", "AccessionNumber": "A9"}

# Type 1 attributes have a value, type 2 ones are there (PS3.3, tables of each module).
PATIENT_AND_STUDY = {
    1: ["StudyInstanceUID", "SOPClassUID", "SOPInstanceUID", "Modality", "SeriesInstanceUID", "FrameOfReferenceUID"],
    2: ["PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
        "AccessionNumber", "ReferringPhysicianName", "SeriesNumber", "Manufacturer", "PositionReferenceIndicator"],
}  # fmt: skip
CT_IMAGE = {
    1: ["ImageType", "SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns", "BitsAllocated", "BitsStored",
        "HighBit", "PixelRepresentation", "PixelData", "PixelSpacing", "ImageOrientationPatient",
        "ImagePositionPatient", "RescaleIntercept", "RescaleSlope", "RescaleType"],
    2: ["InstanceNumber", "SliceThickness", "KVP", "AcquisitionNumber", "PatientPosition"],
}  # fmt: skip
SPATIAL_REGISTRATION = {
    1: ["ContentDate", "ContentTime", "InstanceNumber", "ContentLabel", "RegistrationSequence"],
    2: ["ContentDescription", "ContentCreatorName"],
}


def assert_attributes(data: pydicom.Dataset, *tables: dict[int, list[str]]) -> None:
    for table in (PATIENT_AND_STUDY, *tables):
        for keyword in table[1]:
            assert keyword in data, keyword
            assert data[keyword].value not in (None, "", []), keyword
        for keyword in table[2]:
            assert keyword in data, keyword


def assert_same(found: Volume, volume: Volume) -> None:
    """The same HU at the same places, in whatever order of slices."""
    corners = np.array(np.meshgrid(*[[0, n - 1] for n in volume.size])).reshape(3, -1).T
    there = indices_at(found, at_indices(volume, corners.astype(float)))
    steps = np.rint(there)
    assert np.abs((there - steps) * found.spacing).max() < 1e-4
    x, y, z = steps.astype(int).T
    i, j, k = corners.T
    np.testing.assert_allclose(found.array[z, y, x].astype(float), volume.array[k, j, i], atol=0.04)
    flipped = (there[0] > there[-1])[::-1]
    order = tuple(slice(None, None, -1 if turned else 1) for turned in flipped)
    np.testing.assert_allclose(found.array[order].astype(float), volume.array, atol=0.04)


@pytest.fixture
def scans(tmp_path: Path) -> tuple[Source, Source]:
    """A fixed and a moving DICOM series of two studies and frames."""
    found = []
    for name, tags in (("fixed", {}), ("moving", {"FrameOfReferenceUID": "1.2.3.4", "StudyInstanceUID": "1.2.9"})):
        folder = tmp_path / name
        write_series(folder, series=name, **{**WHO, **tags})
        found.append(source_of(folder, read_volume(folder)))
    return found[0], found[1]


def bare(frame: str = "1.2.5") -> Source:
    return Source((), frame, "1.2.6", "1.2.7")


@settings(max_examples=15)
@given(geometry=any_geometry())
def test_any_geometry_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, geometry: Geometry) -> None:
    array = np.random.default_rng(0).integers(-1024, 3000, (6, 7, 8)).astype(np.int16)
    volume = Volume(array, geometry.spacing, geometry.origin, geometry.direction)
    folder = tmp_path_factory.mktemp("series")
    save_series(ct_series(volume, [bare()], series_description="x", derivation="y"), folder)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    assert_same(Volume.from_image(reader.Execute()), volume)


@pytest.mark.parametrize("name", GEOMETRIES)
def test_our_reader_and_highdicom_read_the_series(tmp_path: Path, name: str) -> None:
    highdicom = pytest.importorskip("highdicom", reason="needs the extra dicom")
    geometry = GEOMETRIES[name]
    volume = torso(size=(30, 26, 24), spacing=geometry.spacing, direction=geometry.direction)
    slices = ct_series(volume, [bare()], series_description="x", derivation="y")
    save_series(slices, tmp_path)
    read = highdicom.get_volume_from_series([pydicom.dcmread(file) for file in tmp_path.iterdir()])
    hu = Volume(
        read.array.astype(np.float64),
        tuple(read.spacing[::-1]),
        tuple(read.position),
        np.array(read.direction)[:, ::-1],
    )
    assert_same(hu, volume)
    assert_same(read_volume(tmp_path), volume)


def test_hu_that_are_no_whole_numbers_keep_a_thirtieth(tmp_path: Path) -> None:
    volume = torso(size=(24, 20, 20), noise_hu=0)
    floats = volume.like((volume.array + np.linspace(0, 1, 24)).astype(np.float32))
    save_series(ct_series(floats, [bare()], series_description="x", derivation="y"), tmp_path)
    assert_same(read_volume(tmp_path), floats)
    with pytest.raises(InputError, match="beyond what a DICOM CT slice can store"):
        ct_series(volume.like(volume.array.astype(np.float32) * 100), [bare()], series_description="", derivation="")


def test_series_registration_and_marks_have_what_the_standard_requires(tmp_path: Path, scans) -> None:
    pytest.importorskip("highdicom", reason="needs the extra dicom")
    volume = torso(size=(20, 18, 16))
    made = np.zeros(volume.array.shape, np.uint8)
    made[:4] = Provenance.SYNTHETIC
    folder = tmp_path / "out"
    folder.mkdir()
    assert export_registration(folder, matrix_of(TURN), *scans) == []
    export_volume(folder, replace(volume, provenance=made), scans, "merged", "Merged from two CTs.")
    slices = [pydicom.dcmread(file) for file in sorted(folder.glob("CT_*.dcm"))]
    assert len(slices) == 16
    for index, data in enumerate(slices):
        assert_attributes(data, CT_IMAGE)
        assert list(data.ImageType)[:3] == ["DERIVED", "SECONDARY", "AXIAL"]
        assert ("SYNTHETIC" in data.ImageType) == (index < 4)
        assert ("never measured" in data.DerivationDescription) == (index < 4)
        assert "research use" in data.DerivationDescription
        assert data.BurnedInAnnotation == "NO"
        assert {key: data.get(key) for key in WHO} == WHO
        assert data.FrameOfReferenceUID == FRAME
    assert len({data.SOPInstanceUID for data in slices}) == 16
    assert len({data.SeriesInstanceUID for data in slices} | {scan.series for scan in scans}) == 3
    registration = pydicom.dcmread(folder / "REG.dcm")
    assert_attributes(registration, SPATIAL_REGISTRATION)
    marks = pydicom.dcmread(folder / "SEG_synthetic.dcm")
    assert_attributes(marks, {1: ["SegmentSequence", "SegmentationType", "ContentLabel"], 2: []})
    assert marks.SegmentSequence[0].SegmentLabel == "Synthetic slices"
    import highdicom

    found = highdicom.seg.segread(folder / "SEG_synthetic.dcm").get_volume(combine_segments=True)
    assert found.array.shape == (4, 18, 20)
    assert found.array.all()
    assert set(pydicom.dcmread(folder / "SEG_synthetic.dcm").get("PatientID")) == set("P1")
    assert sitk.ReadImage(str(folder / "SEG_synthetic.dcm")).GetSize() == (20, 18, 4)


@settings(max_examples=25)
@given(
    degrees=st.tuples(*[st.floats(-180, 180)] * 3),
    shift=st.tuples(*[st.floats(-500, 500)] * 3),
    stretch=st.sampled_from([1.0, 1.05]),
)
def test_the_registration_maps_moving_points_into_the_fixed_frame(tmp_path_factory, degrees, shift, stretch) -> None:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation(degrees) * [stretch, 1, 1], shift
    data = spatial_registration(matrix, bare("1.2.5"), bare("1.2.8"))
    assert data.FrameOfReferenceUID == "1.2.5"
    fixed, moving = data.RegistrationSequence
    assert (fixed.FrameOfReferenceUID, moving.FrameOfReferenceUID) == ("1.2.5", "1.2.8")
    [step] = moving.MatrixRegistrationSequence[0].MatrixSequence
    assert step.FrameOfReferenceTransformationMatrixType == ("RIGID" if stretch == 1 else "AFFINE")
    there = np.array(step.FrameOfReferenceTransformationMatrix, dtype=float).reshape(4, 4)
    place = np.array([12.0, -34.0, 56.0, 1.0])
    np.testing.assert_allclose(there @ (matrix @ place), place, atol=1e-4)
    path = tmp_path_factory.mktemp("reg") / "REG.dcm"
    data.save_as(path, enforce_file_format=True)
    found, *frames = read_spatial_registration(path)
    np.testing.assert_allclose(found, matrix, atol=1e-5)
    assert frames == ["1.2.5", "1.2.8"]
    assert read_alignment(path).frames == {"fixed": "1.2.5", "moving": "1.2.8"}


def test_the_registration_names_the_images_of_both_studies(scans) -> None:
    data = spatial_registration(matrix_of(TURN), *scans)
    assert [len(item.ReferencedImageSequence) for item in data.RegistrationSequence] == [24, 24]
    assert data.ReferencedSeriesSequence[0].SeriesInstanceUID == scans[0].series
    other = data.StudiesContainingOtherReferencedInstancesSequence[0]
    assert (other.StudyInstanceUID, other.ReferencedSeriesSequence[0].SeriesInstanceUID) == ("1.2.9", scans[1].series)


def test_nothing_personal_is_invented(tmp_path: Path) -> None:
    source = source_of(None, torso(size=(20, 18, 16)))
    [data, *_] = ct_series(torso(size=(20, 18, 16)), [source], series_description="x", derivation="y")
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "AccessionNumber"):
        assert str(data[keyword].value or "") == "", keyword
    warnings = export_registration(tmp_path, np.eye(4), source, source)
    assert any("no DICOM series" in warning for warning in warnings)
    assert any("one frame of reference" in warning for warning in warnings)


def test_merge_writes_dicom_that_sspe_apply_takes_again(tmp_path: Path, run_without_model: Run) -> None:
    pytest.importorskip("highdicom", reason="needs the extra dicom")
    moving = write(torso(size=(24, 20, 24), spacing=(14, 13, 6), center=(0, 0, -100)), tmp_path / "moving.nii.gz")
    write_series(tmp_path / "fixed", **WHO)
    sitk.WriteTransform(sitk.Euler3DTransform(), str(tmp_path / "found.tfm"))
    arguments = ["merge", tmp_path / "fixed", moving, tmp_path / "merged.nii.gz", "--transform", tmp_path / "found.tfm"]
    done = run_without_model(*arguments, "--dicom", tmp_path / "out")
    assert done.code == 0, done.err
    assert_same(read_volume(tmp_path / "out"), read_volume(tmp_path / "merged.nii.gz"))
    data = pydicom.dcmread(tmp_path / "out" / "CT_0001.dcm")
    assert "Not known whether reliable" in data.DerivationDescription
    assert data.PatientID == "P1"
    again = run_without_model(*arguments, "--dicom", tmp_path / "out")
    assert again.code == 2
    assert "not empty" in again.err
    carried = run_without_model(
        "apply", moving, tmp_path / "c.nii.gz", "--transform", tmp_path / "out" / "REG.dcm",
        "--reference", tmp_path / "out",
    )  # fmt: skip
    assert carried.code == 0, carried.err


def test_expand_and_register_write_dicom(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("highdicom", reason="needs the extra dicom")
    write_series(tmp_path / "fixed", **WHO)
    done = run(
        "expand", tmp_path / "fixed", tmp_path / "longer.nii.gz", "--distance", "24", "--dicom", tmp_path / "out"
    )
    assert done.code == 0, done.err
    assert_same(read_volume(tmp_path / "out"), read_volume(tmp_path / "longer.nii.gz"))
    assert (tmp_path / "out" / "SEG_synthetic.dcm").exists()
    moving = torso(size=(24, 20, 24), spacing=(14, 13, 6), center=(0, 0, -70), seed=2)
    write_series(tmp_path / "moving", moving, series="B", FrameOfReferenceUID="1.2.3.4")
    known = known_registration(TURN)
    monkeypatch.setattr(tasks, "register", lambda one, other, *_, **__: tasks.Registered(one, other, known, None, ()))
    found = run(
        "register", tmp_path / "fixed", tmp_path / "moving", "--transform", tmp_path / "t.tfm",
        "--dicom", tmp_path / "reg", "--report", tmp_path / "t.json",
    )  # fmt: skip
    assert found.code == 0, found.err
    matrix, *frames = read_spatial_registration(tmp_path / "reg" / "REG.dcm")
    np.testing.assert_allclose(matrix, matrix_of(sitk.ReadTransform(str(tmp_path / "t.tfm"))), atol=1e-6)
    assert frames == [FRAME, "1.2.3.4"]
    assert read_alignment(tmp_path / "t.tfm").frames == {"fixed": FRAME, "moving": "1.2.3.4"}
