"""The jobs of the background process on volumes that were registered: merge, stitch, DICOM."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_series import FRAME, write_series
from known_registration import known_registration
from phantoms import torso

from SSPELib import tasks
from SSPELib.alignment import Alignment
from SSPELib.dicom_objects.source import source_of_files
from SSPELib.dicom_objects.spatial_registration import read_spatial_registration
from SSPELib.errors import InputError
from SSPELib.options import MergeOptions, RegisterOptions
from SSPELib.poses import matrix_of, to_transform
from SSPELib.volume import Volume, slices
from SSPELib.worker import read_job_volume, write_job_volume
from SSPELib.worker.channel import Channel
from SSPELib.worker.jobs import run_job

TURN = sitk.VersorRigid3DTransform((0.0, 0.1, 1.0), 0.1, (5, -4, 9), (0, 0, 0))
WHOLE = torso(size=(24, 20, 24), spacing=(14.0, 13.0, 6.0))
UPPER, LOWER = slices(WHOLE, 10, 24), slices(WHOLE, 0, 15)


def moved(volume: Volume, transform: sitk.Transform) -> Volume:
    """A volume whose points were taken along by a transform (fixed to moving points)."""
    to_lps = matrix_of(transform) @ volume.index_to_lps
    direction = to_lps[:3, :3] / np.array(volume.spacing)
    return Volume(volume.array, volume.spacing, tuple(to_lps[:3, 3]), direction, name="lower")


def run(job: dict[str, Any], folder: Path) -> tuple[dict[str, Any], list[str]]:
    """The result of a job, and its warnings."""
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    said = io.StringIO()
    result = run_job(folder, Channel(said))
    events = [json.loads(line) for line in said.getvalue().splitlines()]
    return result, [event["message"] for event in events if event["event"] == "warning"]


def merge_job(folder: Path, reliable: bool | None, **options: Any) -> dict[str, Any]:
    return {
        "task": "merge",
        "fixed": write_job_volume(UPPER, folder, "fixed"),
        "moving": write_job_volume(moved(LOWER, TURN), folder, "moving"),
        "alignment": {
            "matrix": matrix_of(TURN).tolist(),
            "name": "lower to upper",
            "reliable": reliable,
            "reasons": ["little overlap"],
        },
        "options": MergeOptions(**options).as_dict(),
    }


def test_a_merge_is_that_of_the_library(tmp_path: Path) -> None:
    result, warnings = run(merge_job(tmp_path, True), tmp_path)
    found = read_job_volume(result["volume"], tmp_path)
    expected = tasks.merge(UPPER, moved(LOWER, TURN), Alignment(to_transform(matrix_of(TURN)), reliable=True))
    np.testing.assert_array_equal(found.array, expected.volume.array)
    np.testing.assert_allclose(found.index_to_lps, expected.volume.index_to_lps)
    np.testing.assert_array_equal(np.load(tmp_path / result["sources"]), expected.sources)
    assert warnings == list(expected.warnings)


def test_a_merge_that_is_not_reliable_needs_a_yes(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"lower to upper is not reliable.*little overlap"):
        run(merge_job(tmp_path, False), tmp_path)
    _result, warnings = run(merge_job(tmp_path, False, accept_unreliable=True), tmp_path)
    assert "merged because that was asked for" in warnings[0]


def test_stitched_parts_are_numbered_and_strangers_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def register(fixed: Volume, moving: Volume, *_: Any, **__: Any) -> tasks.Registered:
        reliable = "stranger" not in fixed.name + moving.name
        found = known_registration(sitk.AffineTransform(3), reliable=reliable)
        return tasks.Registered(fixed, moving, found, None, ())

    monkeypatch.setattr(tasks, "register", register)
    parts = [replace(UPPER, name="upper"), replace(UPPER, name="stranger"), LOWER]
    job = {
        "task": "stitch",
        "parts": [write_job_volume(part, tmp_path, f"part-{number}") for number, part in enumerate(parts)],
        "register_options": RegisterOptions().as_dict(),
        "merge_options": MergeOptions().as_dict(),
    }
    result, warnings = run(job, tmp_path)
    assert (result["root"], sorted(result["poses"]), result["left_out"]) == (0, [0, 2], [1])
    assert (result["order"], result["reliable"]) == ([0, 2], True)
    assert result["verdict"]["error_bound_mm"] == 3.5
    assert warnings[-1].startswith("stranger: fits to no other part")
    np.testing.assert_array_equal(read_job_volume(result["volume"], tmp_path).array, WHOLE.array)


def export_job(folder: Path, files: list[Path], tags: dict[str, str]) -> dict[str, Any]:
    known = {"files": [str(file) for file in files], "frame_of_reference": FRAME, "tags": {}}
    return {
        "task": "export",
        "fixed": known,
        "moving": {"files": [], "frame_of_reference": None, "tags": tags},
        "matrix": matrix_of(TURN).tolist(),
        "merged": write_job_volume(WHOLE, folder, "merged"),
        "segmentations": [],
        "reliable": False,
        "seam_mm": 10.0,
    }


def test_the_registration_and_the_merged_series_are_written(tmp_path: Path) -> None:
    files = write_series(tmp_path / "series", PatientID="P1", PatientName="Someone")
    result, warnings = run(export_job(tmp_path, files, {}), tmp_path)
    target = tmp_path / result["folder"]
    assert result["count"] == 1 + WHOLE.size[2] == len(list(target.iterdir()))
    matrix, fixed, _moving = read_spatial_registration(target / "REG.dcm")
    np.testing.assert_allclose(matrix, matrix_of(TURN), atol=1e-6)
    assert fixed == FRAME
    one = pydicom.dcmread(target / "CT_0001.dcm")
    assert (one.PatientID, one.FrameOfReferenceUID) == ("P1", FRAME)
    assert "Not reliable, accepted by " in one.DerivationDescription
    assert warnings == ["The moving scan is no DICOM series, so the registration object names a new frame of reference "
                        "for it."]  # fmt: skip


def test_segmentations_are_written_on_the_merged_series(tmp_path: Path) -> None:
    labels = np.zeros(WHOLE.array.shape, dtype=np.uint8)
    labels[5:9, 8:12, 6:10] = 1
    labels[7:9, 8:12, 10:12] = 2
    np.save(tmp_path / "labels.npy", labels)
    np.save(tmp_path / "nothing.npy", np.zeros_like(labels))
    job = export_job(tmp_path, write_series(tmp_path / "series"), {}) | {
        "segmentations": [
            {"name": "organs", "labels": "labels.npy", "names": {"1": "liver", "2": "spine"}},
            {"name": "far away", "labels": "nothing.npy", "names": {}},
        ]
    }
    result, warnings = run(job, tmp_path)
    target = tmp_path / result["folder"]
    assert warnings[-1] == "far away has no voxel in the merged volume and was not written."
    assert sorted(path.name for path in target.glob("SEG*")) == ["SEG_1.dcm"]
    found = highdicom.seg.segread(target / "SEG_1.dcm")
    series = {pydicom.dcmread(path, stop_before_pixels=True).SeriesInstanceUID for path in target.glob("CT_*.dcm")}
    assert {one.SeriesInstanceUID for one in found.ReferencedSeriesSequence} == series
    assert [found.get_segment_description(number).SegmentLabel for number in (1, 2)] == ["liver", "spine"]
    slices = sorted(target.glob("CT_*.dcm"))
    instances = [pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID for path in slices]
    voxels = found.get_pixels_by_source_instance(instances, assert_missing_frames_are_empty=True, combine_segments=True)
    np.testing.assert_array_equal(voxels, labels)


def test_tags_stand_for_headers_where_there_are_none() -> None:
    source = source_of_files([], FRAME, {"PatientID": "P7", "StudyInstanceUID": "1.2.3"})
    assert (source.header.PatientID, source.study, source.frame, source.instances) == ("P7", "1.2.3", FRAME, [])
    with pytest.raises(InputError, match="The tag PixelData cannot be given"):
        source_of_files([], None, {"PixelData": "x"})
    with pytest.raises(InputError, match="cannot be read any more"):
        source_of_files([Path("/nowhere/1.dcm")], None)


def test_without_its_package_the_way_to_dicom_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(InputError, match="pip install highdicom"):
        run(export_job(tmp_path, [], {}), tmp_path)
