"""One volume of two: real voxels as they were, a soft seam, no air over a body, synthetic slices only where asked."""

from __future__ import annotations

import getpass
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from command_line import Run
from dicom_series import write_series
from geometries import Geometry, any_geometry, rotation
from hypothesis import given, settings
from hypothesis import strategies as st
from phantoms import torso, write

from SSPELib import tasks
from SSPELib.alignment import Alignment, grid_of
from SSPELib.errors import InputError
from SSPELib.merging import MergedFrom, merge_volumes
from SSPELib.merging.gap import gap_mm
from SSPELib.merging.seam import share_of_first
from SSPELib.options import MergeOptions
from SSPELib.poses import matrix_of, to_transform
from SSPELib.volume import AIR_HU, Provenance, Volume, real_part, slices
from SSPELib.volume.points import at_indices, indices_at
from SSPELib.volume.resampling import covering

TURN = sitk.VersorRigid3DTransform((0.3, -0.2, 1.0), 0.12, (15, -12, 25), (5, 10, -100))
WHOLE = torso(size=(96, 72, 70), spacing=(4, 4, 4), noise_hu=0)


def moved(volume: Volume, transform: sitk.Transform) -> Volume:
    """The volume carried by a rigid transform: its points are where the transform takes them."""
    matrix = matrix_of(transform)
    return replace(volume, origin=transform.TransformPoint(volume.origin), direction=matrix[:3, :3] @ volume.direction)


def parts(overlap: int) -> tuple[Volume, Volume]:
    """Upper and lower part of the torso with a number of slices of overlap (a gap, where negative), the lower moved."""
    return slices(WHOLE, 35, 70), moved(slices(WHOLE, 0, 35 + overlap), TURN)


def window_of(volume: Volume, grid: Volume) -> tuple[slice, ...]:
    """Where a volume lies in a grid of the same lattice."""
    first = np.rint(indices_at(grid, np.array([volume.origin]))[0]).astype(int)
    np.testing.assert_allclose(indices_at(grid, np.array([volume.origin]))[0], first, atol=1e-6)
    return tuple(slice(int(a), int(a) + n) for a, n in zip(first[::-1], volume.array.shape, strict=True))


@pytest.mark.parametrize("overlap", [10, 2, 0])
def test_the_merged_volume_is_the_uncut_one(overlap: int) -> None:
    fixed, moving = parts(overlap)
    merged = merge_volumes(fixed, moving, TURN)
    own = window_of(WHOLE, merged.volume)
    found, sources = merged.volume.array[own].astype(float), merged.sources[own]
    fixed_alone = np.zeros(WHOLE.array.shape, bool)
    fixed_alone[35 + overlap :] = True
    np.testing.assert_array_equal(found[fixed_alone], WHOLE.array[fixed_alone])
    assert (sources[fixed_alone] == MergedFrom.FIXED).all()
    assert (sources[: 35 - 2] == MergedFrom.MOVING).all()
    # The lower part lies on other voxels, but these are those of the uncut one after the way back.
    assert np.abs(found - WHOLE.array).max() <= 1
    assert merged.warnings == ()
    if overlap == 10:
        # 40 mm of overlap, of which the seam takes the middle 10 mm.
        assert 1 <= (sources[:, 36, 48] == MergedFrom.BOTH).sum() <= 4
        assert sources[35, 36, 48] == MergedFrom.MOVING
        assert sources[44, 36, 48] == MergedFrom.FIXED


@settings(max_examples=8)
@given(
    fixed_grid=any_geometry(),
    degrees=st.tuples(*[st.integers(-12, 12)] * 3),
    shift=st.tuples(*[st.integers(-40, 40)] * 3),
)
def test_any_pair_of_grids(fixed_grid: Geometry, degrees, shift) -> None:
    spacing = tuple(np.clip(fixed_grid.spacing, 2.5, 6.0) * 4)
    size = (20, 18, 16)
    fixed = torso(size=size, spacing=spacing, direction=fixed_grid.direction, center=(0, 0, 90), noise_hu=0)
    transform = sitk.AffineTransform(rotation(degrees).ravel().tolist(), shift)
    lower = torso(size=(26, 20, 22), spacing=(16, 16, 10), center=(0, 0, -90), noise_hu=0)
    moving = moved(lower, transform)
    merged = merge_volumes(fixed, moving, transform)
    volume, sources = merged.volume, merged.sources
    own = window_of(fixed, volume)
    alone = sources[own] == MergedFrom.FIXED
    np.testing.assert_array_equal(volume.array[own][alone], fixed.array[alone])
    moving_alone = sources == MergedFrom.MOVING
    resampled = sitk.Resample(
        moving.to_image(), volume.to_image(), transform, sitk.sitkLinear, -1000.0, sitk.sitkFloat32
    )
    nearest = sitk.GetArrayFromImage(
        sitk.Resample(
            moving.like(np.ones_like(moving.array)).to_image(),
            volume.to_image(),
            transform,
            sitk.sitkNearestNeighbor,
            0.0,
        )
    )
    assert (nearest[moving_alone] == 1).all()
    assert moving_alone.sum() > 1000
    # Both interpolations of such coarse voxels differ, but not in where they put the body.
    linear = sitk.GetArrayFromImage(resampled)[moving_alone]
    assert np.corrcoef(linear, volume.array[moving_alone])[0, 1] > 0.95
    assert (sources == MergedFrom.NO_DATA).sum() == np.count_nonzero(volume.where(Provenance.NO_DATA))
    outside = nearest == 0
    outside[own] = False
    assert (sources[outside] == MergedFrom.NO_DATA).all()
    assert (volume.array[sources == MergedFrom.NO_DATA] == AIR_HU).all()
    assert volume.array.min() >= -1024
    assert volume.array.max() <= max(fixed.array.max(), moving.array.max())


def test_no_data_never_overwrite_data() -> None:
    fixed, moving = parts(12)
    padded = fixed.array.copy()
    # A circle of reconstruction that cuts the body of the fixed volume: air by its value, never measured.
    x = np.arange(96) - 47.5
    padded[:, :, np.abs(x) > 20] = -1024
    wedge = np.zeros(moving.array.shape, np.uint8)
    wedge[-6:, :, :30] = Provenance.NO_DATA
    gone = np.where(wedge > 0, -2000, moving.array).astype(np.int16)
    merged = merge_volumes(fixed.like(padded), replace(moving, array=gone, provenance=wedge), TURN)
    own = window_of(WHOLE, merged.volume)
    found, sources = merged.volume.array[own], merged.sources[own]
    inside = WHOLE.array > -50
    overlap = np.zeros(inside.shape, bool)
    overlap[36:40] = True
    assert np.abs(found.astype(int) - WHOLE.array)[inside & overlap].max() <= 1
    assert merged.volume.array.min() >= -1024
    assert (sources[42:47, :, 28:30][found[42:47, :, 28:30] > -1024] == MergedFrom.FIXED).all()


def test_two_scanners_meet_in_a_seam_without_a_step() -> None:
    fixed, moving = parts(15)
    brighter = moving.like((moving.array + 60).astype(np.int16))
    merged = merge_volumes(fixed, brighter, TURN, seam_mm=40.0)
    own = window_of(WHOLE, merged.volume)
    added = (merged.volume.array[own].astype(int) - WHOLE.array)[:, 36, 40]
    assert (added[:34] >= 59).all()
    assert (added[51:] == 0).all()
    assert (np.diff(added) <= 1).all()
    assert np.abs(np.diff(added)).max() < 12
    hard = merge_volumes(fixed, brighter, TURN, seam_mm=0.0)
    assert not (hard.sources == MergedFrom.BOTH).any()


def test_the_seam_is_as_wide_as_asked() -> None:
    first, second = np.zeros((60, 3, 3), bool), np.zeros((60, 3, 3), bool)
    first[:10], second[50:] = True, True
    share = share_of_first(first, second, (1.0, 1.0, 1.0), 10.0)[:, 1, 1]
    assert (share[:24] == 1).all()
    assert (share[36:] == 0).all()
    assert share[29] == pytest.approx(0.5, abs=0.1)
    assert (np.diff(share) <= 0).all()
    np.testing.assert_array_equal(share_of_first(first, np.zeros_like(first), (1, 1, 1), 10.0), 1)


def test_a_gap_stays_a_gap() -> None:
    fixed, moving = parts(-8)
    assert gap_mm(fixed, moving, TURN) == pytest.approx(32, abs=6)
    assert gap_mm(*parts(8), TURN) == 0
    merged = tasks.merge(fixed, moving, Alignment(TURN, reliable=True))
    own = window_of(WHOLE, merged.volume)
    assert (merged.sources[own][28:34] == MergedFrom.NO_DATA).all()
    assert (merged.volume.array[own][28:34] == AIR_HU).all()
    assert any("gap of up to" in warning for warning in merged.warnings)


def test_where_a_field_of_view_ends_at_a_side_there_is_no_gap() -> None:
    """A tilted lower part that is so narrow that columns of the body leave it through its sides."""
    tilt = sitk.Euler3DTransform((0, 0, -50), 0.0, 0.17, 0.0, (0, 0, 0))
    fixed, lower = parts(10)[0], slices(WHOLE, 0, 45)
    narrow = replace(
        lower, array=lower.array[:, :, 28:68], origin=tuple(at_indices(lower, np.array([[28.0, 0, 0]]))[0])
    )
    grid = replace(narrow, array=np.zeros(narrow.array.shape, np.uint8), provenance=None)
    tilted = sitk.Resample(WHOLE.to_image(), grid.to_image(), tilt, sitk.sitkLinear, -1000.0)
    assert gap_mm(fixed, Volume.from_image(tilted), tilt.GetInverse()) == 0


def test_a_gap_is_filled_by_both_and_marked(tiny_bundle) -> None:
    fixed, moving = parts(-8)
    options = MergeOptions(fill_gap=True, model=str(tiny_bundle.folder), device="cpu")
    merged = tasks.merge(fixed, moving, Alignment(TURN, reliable=True), options)
    own = window_of(WHOLE, merged.volume)
    sources = merged.sources[own]
    assert (sources[28:34, 20:50, 20:70] == MergedFrom.SYNTHETIC).all()
    assert (merged.volume.provenance[own][28:34, 20:50, 20:70] == Provenance.SYNTHETIC).all()
    np.testing.assert_array_equal(merged.volume.array[own][35:], fixed.array)
    assert (sources[:26] == MergedFrom.MOVING).all()
    assert real_part(fixed) is fixed


def test_an_unreliable_registration_needs_a_yes() -> None:
    fixed, moving = parts(10)
    doubtful = Alignment(TURN, "found.tfm", reliable=False, reasons=("too little overlap",))
    with pytest.raises(InputError, match=r"too little overlap.*--accept-unreliable"):
        tasks.merge(fixed, moving, doubtful)
    merged = tasks.merge(fixed, moving, doubtful, MergeOptions(accept_unreliable=True))
    assert any("not reliable" in warning for warning in merged.warnings)
    assert (merged.verdict.reliable, merged.verdict.accepted_by) == (False, getpass.getuser())
    assert "No verdict" in tasks.merge(fixed, moving, Alignment(TURN)).warnings[0]
    sure = tasks.merge(fixed, moving, replace(doubtful, reliable=True), MergeOptions(accept_unreliable=True))
    assert sure.verdict.accepted_by is None


def test_the_transform_of_another_pair_is_noticed() -> None:
    fixed, moving = parts(20)
    other = sitk.VersorRigid3DTransform((0, 1, 0), 0.0, (60, 25, 20), (0, 0, 0))
    assert any("another pair" in warning for warning in merge_volumes(fixed, moving, other).warnings)
    framed = replace(fixed, frame_of_reference="1.2.3")
    with pytest.raises(InputError, match=r"1\.2\.3"):
        tasks.merge(framed, moving, Alignment(TURN, frames={"fixed": "1.2.4"}))
    with pytest.raises(InputError, match=r"do not agree.*another pair.*--accept-unreliable"):
        tasks.merge(fixed, moving, Alignment(other, reliable=True))
    asked_for = tasks.merge(fixed, moving, Alignment(other, reliable=True), MergeOptions(accept_unreliable=True))
    assert asked_for.verdict.accepted_by
    far = sitk.TranslationTransform(3, (0.0, 0.0, 1e9))
    with pytest.raises(InputError, match="far apart"):
        tasks.merge(fixed, moving, Alignment(far))


def test_the_fit_of_fine_voxels_bears_some_millimeters() -> None:
    whole = torso(size=(220, 150, 60), spacing=(1.4, 1.4, 1.4), center=(0, 0, -40))
    upper, lower = slices(whole, 25, 60), slices(whole, 0, 45)
    fits = []
    for shift in ((0, 0, 0), (6, 0, 0), (50, 30, 0)):
        fits.append(merge_volumes(upper, lower, sitk.TranslationTransform(3, [float(mm) for mm in shift])).fit)
    assert fits[0] > 0.99
    assert fits[1] > 0.6
    assert fits[2] < 0.3


def test_a_transform_found_for_other_scans_needs_a_yes() -> None:
    fixed, moving = parts(10)
    grids = {"fixed": grid_of(fixed), "moving": grid_of(moving)}
    assert tasks.merge(fixed, moving, Alignment(TURN, reliable=True, grids=grids)).warnings == ()
    grids["fixed"] = grid_of(replace(fixed, origin=(1.0, 2.0, 3.0)))
    assert any("another grid" in one for one in tasks.merge(fixed, moving, Alignment(TURN, grids=grids)).warnings)
    grids["moving"] = grid_of(replace(moving, spacing=(4.0, 4.0, 5.0)))
    alignment = Alignment(TURN, "t.tfm", reliable=True, grids=grids, files={"fixed": "a.nii", "moving": "b.nii"})
    with pytest.raises(
        InputError, match=r"t\.tfm was found for other scans \(a\.nii and b\.nii\).*--accept-unreliable"
    ):
        tasks.merge(fixed, moving, alignment)


@pytest.mark.parametrize("padding", [-1024, -3024, 0])
def test_padding_of_the_inputs_never_overwrites_data(padding: int) -> None:
    """Both parts hardened under a rotation, so that wedges without data lie at their ends and sides."""
    whole = torso(size=(96, 72, 70), spacing=(4, 4, 4))
    fixed, moving = slices(whole, 35, 70), moved(slices(whole, 0, 49), TURN)
    tilt = sitk.Euler3DTransform((0, 0, 60), 0.14, -0.1, 0.05, (0, 0, 0))
    hardened = []
    for part in (fixed, moving):
        low, high = covering(part, part, tilt)
        corner = at_indices(part, low[None].astype(float))[0]
        grid = Volume(np.zeros((high - low)[::-1], np.uint8), part.spacing, tuple(corner), part.direction, name="grid")
        image = sitk.Resample(part.to_image(), grid.to_image(), tilt, sitk.sitkLinear, padding, sitk.sitkInt16)
        hardened.append(Volume.from_image(image, name=part.name))
    # Fixed points, back to where they were; over to the moving part; to where its points are now.
    steps = [matrix_of(tilt), matrix_of(TURN), np.linalg.inv(matrix_of(tilt))]
    between = to_transform(steps[2] @ steps[1] @ steps[0])
    merged = tasks.merge(hardened[0], hardened[1], Alignment(between, reliable=True))
    expected = sitk.GetArrayFromImage(
        sitk.Resample(whole.to_image(), merged.volume.to_image(), tilt, sitk.sitkLinear, -2000.0, sitk.sitkInt16)
    )
    tissue, covered = expected > -50, merged.sources != MergedFrom.NO_DATA
    assert covered[tissue].mean() > 0.97
    found = merged.volume.array[tissue & covered]
    assert (found < -600).mean() < 1e-3
    assert np.median(np.abs(found - expected[tissue & covered])) < 10
    outside = expected == -2000
    assert (merged.volume.array[outside & ~covered] == AIR_HU).all()


def test_the_finer_spacing_and_data_types() -> None:
    fixed, moving = parts(10)
    coarse = torso(size=(48, 36, 20), spacing=(8, 8, 8), center=(0, 0, 120), noise_hu=0)
    merged = merge_volumes(coarse, moving, TURN, spacing="finer")
    np.testing.assert_allclose(merged.volume.spacing, (4, 4, 4))
    unsigned = replace(fixed, array=np.clip(fixed.array, 0, None).astype(np.uint16))
    assert merge_volumes(unsigned, moving, TURN).volume.array.dtype.kind in "if"
    floats = fixed.like(fixed.array.astype(np.float32))
    assert merge_volumes(floats, moving, TURN).volume.array.dtype == np.float32


@pytest.fixture
def files(tmp_path: Path) -> list[object]:
    """Arguments of a merge whose registration is not reliable, as its report beside the transform says."""
    fixed, moving = parts(10)
    upper, lower = write(fixed, tmp_path / "upper.nii.gz"), write(moving, tmp_path / "lower.nii.gz")
    sitk.WriteTransform(TURN, str(tmp_path / "found.tfm"))
    report = {
        "matrix_fixed_to_moving_lps": matrix_of(TURN).tolist(),
        "reliable": False,
        "reasons": ["doubt"],
        "expected_error_mm": 6.25,
        "error_bound_mm": 14.5,
    }
    (tmp_path / "found.json").write_text(json.dumps(report))
    return ["merge", upper, lower, tmp_path / "merged.nii.gz", "--transform", tmp_path / "found.tfm"]


def test_merge_on_the_command_line(tmp_path: Path, run_without_model: Run, files: list[object]) -> None:
    out, origin = tmp_path / "merged.nii.gz", tmp_path / "map.nii.gz"
    arguments = [*files, "--provenance", origin, "--report", tmp_path / "merged.json"]
    refused = run_without_model(*arguments)
    assert refused.code == 2
    assert "--accept-unreliable" in refused.err
    assert not out.exists()
    done = run_without_model(*arguments, "--accept-unreliable")
    assert done.code == 0, done.err
    assert "not reliable" in done.err
    found, sources = sitk.ReadImage(str(out)), sitk.GetArrayFromImage(sitk.ReadImage(str(origin)))
    assert set(np.unique(sources)) <= {int(one) for one in MergedFrom}
    assert sources.shape == found.GetSize()[::-1]
    assert np.isin([1, 2, 3], sources).all()
    report = json.loads((tmp_path / "merged.json").read_text())
    assert report["verdict"]["accepted_by"] == getpass.getuser()
    assert (report["verdict"]["reliable"], report["verdict"]["error_bound_mm"]) == (False, 14.5)
    np.testing.assert_allclose(report["pairs"][0]["matrix_fixed_to_moving_lps"], matrix_of(TURN), atol=1e-9)
    assert report["from_head_to_feet"] == ["upper.nii.gz", "lower.nii.gz"]
    page = (tmp_path / "merged.html").read_text()
    assert f"Not reliable, accepted by {getpass.getuser()}" in page
    assert "9 of 10 such results are within 14 mm" in page
    assert page.count("data:image/png") == 2


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_the_verdict_stands_in_the_header_of_the_map(
    tmp_path: Path, run_without_model: Run, files: list[object], suffix: str
) -> None:
    origin = tmp_path / f"map{suffix}"
    assert run_without_model(*files, "--provenance", origin, "--accept-unreliable").code == 0
    image = sitk.ReadImage(str(origin))
    note = image.GetMetaData("ITK_FileNotes")
    assert note.startswith("SSPE: Not reliable, accepted by ")
    assert note.rstrip().endswith("9 of 10 within 14.5 mm")
    if suffix != ".nii.gz":
        assert image.GetMetaData("SSPE_sources") == "0 no data, 1 fixed, 2 moving, 3 both, 4 synthetic"
        assert "Expected error 6 mm" in image.GetMetaData("SSPE_verdict")
        assert image.GetMetaData("SSPE_verdict").endswith("doubt")


def test_the_verdict_stands_in_the_derivation_of_dicom(
    tmp_path: Path, run_without_model: Run, files: list[object]
) -> None:
    pytest.importorskip("highdicom", reason="needs the extra dicom")
    done = run_without_model(*files, "--dicom", tmp_path / "out", "--accept-unreliable")
    assert done.code == 0, done.err
    data = pydicom.dcmread(tmp_path / "out" / "CT_0001.dcm")
    assert "Not reliable, accepted by" in data.DerivationDescription
    assert "9 of 10 such results are within 14 mm" in data.DerivationDescription


def test_series_of_each_scan_are_chosen(tmp_path: Path, run_without_model: Run) -> None:
    for folder, turn in (("fixed", 0), ("moving", 1)):
        for number in (3, 7):
            tags = {"SeriesNumber": number, "PatientID": f"P{turn}", "PatientName": "Nobody^New"}
            write_series(tmp_path / folder, series=f"{folder}{number}", prefix=f"{number}-", **tags)
    sitk.WriteTransform(sitk.AffineTransform(3), str(tmp_path / "still.tfm"))
    arguments = ["merge", tmp_path / "fixed", tmp_path / "moving", tmp_path / "out.nii.gz"]
    arguments += ["--transform", tmp_path / "still.tfm"]
    several = run_without_model(*arguments)
    assert several.code == 2
    assert "--series" in several.err
    told = ["--report", tmp_path / "out.json", "--pdf", tmp_path / "out.pdf"]
    assert run_without_model(*arguments, "--series", 3, "--series", 7, *told).code == 0
    assert "<b>patient</b> Nobody^New, <b>ID</b> P0" in (tmp_path / "out.html").read_text()
    assert (tmp_path / "out.pdf").read_bytes().startswith(b"%PDF")
    wrong = run_without_model(*arguments, "--series", 3, "--series", 7, "--series", 3)
    assert "once for each of FIXED, MOVING" in wrong.err
