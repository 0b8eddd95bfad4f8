"""Volumes, transforms and markups through files; sitkUtils; sample data."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy
import pytest
import SimpleITK as sitk


@pytest.fixture
def oblique() -> sitk.Image:
    image = sitk.GetImageFromArray(numpy.arange(24, dtype=numpy.int16).reshape(2, 3, 4))
    image.SetSpacing((0.7, 0.8, 2.5))
    image.SetOrigin((-10.0, 20.0, 30.0))
    image.SetDirection(sitk.Euler3DTransform((0, 0, 0), 0.1, 0.2, 0.3).GetMatrix())
    return image


def test_a_volume_from_a_file_keeps_its_geometry(slicer_session: Any, oblique: sitk.Image, tmp_path: Path) -> None:
    import sitkUtils
    import slicer

    path = tmp_path / "Größe 1.nrrd"
    sitk.WriteImage(oblique, str(path))
    node = slicer.util.loadVolume(str(path), {"name": "Oblique"})
    assert node.GetName() == "Oblique"
    assert numpy.array_equal(slicer.util.arrayFromVolume(node), sitk.GetArrayFromImage(oblique))
    back = sitkUtils.PullVolumeFromSlicer(node)
    for getter in ("GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(back, getter)() == pytest.approx(getattr(oblique, getter)(), abs=1e-5)
    logic = slicer.app.layoutManager().sliceWidget("Red").sliceLogic()
    assert logic.GetSliceCompositeNode().GetBackgroundVolumeID() == node.GetID()


def test_push_to_slicer(slicer_session: Any, oblique: sitk.Image) -> None:
    import sitkUtils

    node = sitkUtils.PushVolumeToSlicer(oblique, name="Pushed")
    ras = [0.0, 0.0, 0.0, 1.0]
    matrix = __import__("vtk").vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    matrix.MultiplyPoint([1.0, 2.0, 1.0, 1.0], ras)
    lps = oblique.TransformIndexToPhysicalPoint((1, 2, 1))
    assert ras[:3] == pytest.approx((-lps[0], -lps[1], lps[2]))


def test_unreadable_files_and_unknown_properties_raise(slicer_session: Any, tmp_path: Path) -> None:
    import slicer

    with pytest.raises(RuntimeError, match="no file"):
        slicer.util.loadVolume(str(tmp_path / "missing.nrrd"), {})
    with pytest.raises(ValueError, match="singelFile"):
        slicer.util.loadVolume(__file__, {"singelFile": True})


def test_a_transform_file_flips_between_lps_and_ras(slicer_session: Any, tmp_path: Path) -> None:
    import slicer

    path = tmp_path / "shift.h5"
    shift = sitk.AffineTransform(3)
    shift.SetTranslation((1.0, 2.0, 3.0))
    sitk.WriteTransform(shift, str(path))
    node = slicer.util.loadTransform(str(path))
    assert slicer.util.arrayFromTransformMatrix(node)[:3, 3] == pytest.approx((1.0, 2.0, -3.0))
    again = tmp_path / "again.tfm"
    assert slicer.util.saveNode(node, str(again))
    assert sitk.ReadTransform(str(again)).TransformPoint((0.0, 0.0, 0.0)) == pytest.approx((1.0, 2.0, 3.0))


def test_markups_survive_a_file(slicer_session: Any, tmp_path: Path) -> None:
    import slicer

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "Landmarks")
    node.AddControlPoint(1.0, 2.0, 3.0)
    assert slicer.util.saveNode(node, str(tmp_path / "landmarks.mrk.json"))
    loaded = slicer.util.loadMarkups(str(tmp_path / "landmarks.mrk.json"))
    assert slicer.util.arrayFromMarkupsControlPoints(loaded).tolist() == [[1.0, 2.0, 3.0]]


def test_sample_data_is_served_and_verified_and_a_failed_download_is_an_index_error(
    slicer_session: Any, oblique: sitk.Image, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import SampleData

    path = tmp_path / "part.nrrd"
    sitk.WriteImage(oblique, str(path))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    for name, checksum in (("Good", digest), ("Bad", "0" * 64)):
        SampleData.SampleDataLogic.registerCustomSampleDataSource(
            category="Test",
            sampleName=name,
            uris="https://example.org/assets/part.nrrd",
            fileNames="part.nrrd",
            nodeNames="Part",
            checksums=f"SHA256:{checksum}",
        )
    with pytest.raises(IndexError):
        SampleData.downloadSample("Good")
    assert caplog.text.count("downloads nothing") == 3
    SampleData.serveFrom(tmp_path)
    try:
        assert SampleData.downloadSample("Good").GetName() == "Part"
        with pytest.raises(IndexError):
            SampleData.downloadSample("Bad")
        assert "the checksum is" in caplog.text
    finally:
        SampleData.serveFrom(None)
    with pytest.raises(ValueError, match="2 fileNames"):
        SampleData.SampleDataLogic.registerCustomSampleDataSource(
            sampleName="Odd", uris="https://example.org/a.nrrd", fileNames=["a.nrrd", "b.nrrd"]
        )
