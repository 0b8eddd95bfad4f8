"""Reports: the JSON for programs, the page in one file, and figures that show voxels in their place."""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from geometries import rotation
from known_registration import known_registration
from matplotlib.figure import Figure
from matplotlib.image import imread
from phantoms import torso

from SSPELib import tasks
from SSPELib.alignment import Alignment
from SSPELib.options import MergeOptions
from SSPELib.registration import Candidate
from SSPELib.registration.confidence import ErrorEstimate
from SSPELib.report import Assembly, Subject, summary_of, summary_of_assembly
from SSPELib.report.assembly_page import page_of_assembly
from SSPELib.report.figures import before_and_after, checkerboard, compressed, draw_overlay, png_of, real_and_synthetic
from SSPELib.report.page import page_of
from SSPELib.report.views import PIXEL_MM, Plane, seam_height, shared_planes
from SSPELib.volume import Provenance, Volume, real_part, slices, with_slices
from SSPELib.volume.points import body_points, taken_back
from SSPEResearch.demo_figure import overview_of

SMALL_PICTURE = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='9' height='5'/%3E"
SHIFT = sitk.VersorRigid3DTransform((0, 0, 1), 0.0, (12, -7, 20))
PLANE = Plane("coronal", 0.0, (-190.0, 190.0), (-100.0, 160.0))


def expanded(volume: Volume, count: int, at_start: bool) -> Volume:
    """The volume with its edge slice repeated, as an expansion."""
    edge = np.repeat(volume.array[:1] if at_start else volume.array[-1:], count, axis=0)
    return with_slices(volume, edge if at_start else None, None if at_start else edge, Provenance.SYNTHETIC)


@pytest.fixture(scope="module")
def subject() -> Subject:
    """Upper and lower part of a torso with 20 mm of overlap, the lower one moved by a known shift."""
    whole = torso(size=(48, 40, 60), spacing=(8, 8, 5))
    upper, lower = slices(whole, 30, 60), slices(whole, 0, 34)
    lower = replace(lower, origin=SHIFT.TransformPoint(lower.origin))
    registration = known_registration(
        SHIFT,
        backend="SimpleITK",
        synthetic_mm={"fixed": {"inferior": 40.0, "superior": 0.0}, "moving": {"inferior": 0.0, "superior": 40.0}},
        metric=float("nan"),
        metric_name="correlation of real voxels",
        far_end=ErrorEstimate(4.0, float("inf")),
        reasons=("one place stands out <clearly>",),
        seconds=12.25,
        candidates=(Candidate(SHIFT, 120.0, 20.0, 24.0, 0.0), Candidate(SHIFT, -3.0, -12.0, 50.0, 4.0)),
    )
    files = {"fixed": "a/upper & neck.nii.gz", "moving": "lower.nii.gz", "transform": "found.tfm"}
    return Subject(expanded(upper, 8, True), expanded(lower, 8, False), registration, files, "tiny", ["mind the gap"])


def test_summary_holds_every_promised_field(subject: Subject) -> None:
    report = json.loads(summary_of(subject))
    assert report["seconds"] == 12.25
    assert report["overlap_mm"] == 20.0
    assert report["synthetic_mm"]["moving"]["superior"] == 40.0
    assert (report["start"], report["transform_type"], report["backend"]) == ("header", "rigid", "SimpleITK")
    assert (report["reliable"], report["expected_error_mm"], report["error_bound_mm"]) == (True, 1.25, 3.5)
    assert report["junction"] == {"expected_error_mm": 1.0, "error_bound_mm": 3.0}
    assert report["far_end"] == {"expected_error_mm": 4.0, "error_bound_mm": None}
    assert report["metric"] is None
    assert report["reasons"] == ["one place stands out <clearly>"]
    assert report["warnings"] == ["mind the gap"]
    assert report["fixed"] == "a/upper & neck.nii.gz"
    assert [candidate["evidence"] for candidate in report["candidates"]] == [120.0, -3.0]
    np.testing.assert_allclose(np.array(report["matrix_fixed_to_moving_lps"])[:3, 3], (12, -7, 20))


def test_matrix_maps_fixed_to_moving_points(subject: Subject) -> None:
    transform = sitk.AffineTransform((rotation((3, 4, 5)) * [1.1, 1, 0.9]).ravel().tolist(), (1, 2, 3), (50, 60, 70))
    changed = replace(subject, registration=replace(subject.registration, transform=transform))
    matrix = np.array(json.loads(summary_of(changed))["matrix_fixed_to_moving_lps"])
    np.testing.assert_allclose((matrix @ [7, -8, 9, 1])[:3], transform.TransformPoint((7, -8, 9)), atol=1e-9)


def test_page_is_one_file_with_all_figures_and_escaped_names(subject: Subject) -> None:
    page = page_of(subject)
    assert page.startswith("<!DOCTYPE html>")
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "upper &amp; neck.nii.gz" in page
    assert "&lt;clearly&gt;" in page
    assert "mind the gap" in page
    assert "Expected error 1.2 mm; 9 of 10 such results are within 4 mm." in page
    pictures = [imread(io.BytesIO(base64.b64decode(data))) for data in re.findall(r"base64,([^\"]+)", page)]
    assert len(pictures) == 4
    assert all(picture.shape[0] > 100 and picture.std() > 0.1 for picture in pictures)


def test_page_without_expansion_has_no_figure_of_synthetic_voxels(subject: Subject) -> None:
    plain = replace(subject, fixed=real_part(subject.fixed), moving=real_part(subject.moving), model=None)
    page = page_of(plain)
    assert page.count("data:image/png") == 3
    assert "Where real and synthetic" not in page


def test_page_of_a_doubtful_result_says_so_first(subject: Subject) -> None:
    doubtful = replace(subject, registration=replace(subject.registration, reliable=False))
    assert '<div class="verdict doubtful"><strong>Not reliable' in page_of(doubtful)


def test_overview_is_a_picture(subject: Subject) -> None:
    picture = imread(io.BytesIO(overview_of(subject, {"start": 24.3, "with_expansion": 0.4})))
    assert picture.shape[1] > 1200


@pytest.mark.parametrize("degrees", [(0, 0, 0), (12, -20, 30), (180, 0, 0), (90, 0, 90)])
def test_cuts_show_the_same_anatomy_whatever_the_grid(degrees: tuple[float, float, float]) -> None:
    upright = torso(size=(100, 80, 80), spacing=(4, 4, 4), noise_hu=0)
    turned = torso(size=(100, 100, 100), spacing=(4, 4, 4), direction=rotation(degrees), noise_hu=0)
    one, other = PLANE.cut(upright), PLANE.cut(turned)
    both = ~np.isnan(one) & ~np.isnan(other)
    assert both.mean() > 0.8
    assert np.median(np.abs(one - other)[both]) < 5
    assert np.corrcoef(one[both], other[both])[0, 1] > 0.95


def test_cut_is_seen_from_the_front_head_up() -> None:
    volume = torso(size=(100, 80, 80), spacing=(4, 4, 4), noise_hu=0)
    array = volume.array.copy()
    left, top = volume.size[0] - 10, volume.size[2] - 10
    array[top, :, left] = 3000
    shown = PLANE.cut(volume.like(array))
    row, column = np.unravel_index(np.nanargmax(shown), shown.shape)
    place = (volume.index_to_lps @ [left, 0, top, 1])[:3]
    assert abs(PLANE.horizontal[0] + (column + 0.5) * PIXEL_MM - place[0]) <= 4
    assert abs(PLANE.vertical[0] + (row + 0.5) * PIXEL_MM - place[2]) <= 4


def test_outside_the_volume_is_nan(small_torso: Volume) -> None:
    far = Plane("sagittal", 0.0, (-150.0, 150.0), (-100.0, 300.0))
    shown = far.cut(small_torso)
    assert np.isnan(shown[-10:]).all()
    assert not np.isnan(shown[20:100, 100:140]).any()


def test_planes_cover_both_bodies_in_their_places(subject: Subject) -> None:
    upper, lower = real_part(subject.fixed), real_part(subject.moving)
    coronal, sagittal = shared_planes([(upper, None), (lower, SHIFT)], upper)
    assert coronal.vertical == sagittal.vertical
    assert coronal.vertical[0] == pytest.approx(-147.5, abs=20)
    assert coronal.vertical[1] == pytest.approx(147.5, abs=20)
    assert coronal.horizontal[0] < -130
    assert coronal.horizontal[1] > 130
    # By the headers alone the lower part lies 20 mm higher.
    assert shared_planes([(lower, None)], upper)[0].vertical[0] == pytest.approx(coronal.vertical[0] + 20, abs=1)


def shown_colors(figure: Figure, panel: int) -> np.ndarray:
    """Pixels (row, column, 3) inside one panel of a rendered figure, 0 to 1."""
    picture = imread(io.BytesIO(png_of(figure)))[..., :3]
    height, width = picture.shape[:2]
    box = figure.axes[panel].get_window_extent().transformed(figure.transFigure.inverted())
    rows = slice(round((1 - box.y1) * height) + 4, round((1 - box.y0) * height) - 4)
    return picture[rows, round(box.x0 * width) + 4 : round(box.x1 * width) - 4]


def test_overlay_is_gray_where_both_agree_and_colored_where_not(small_torso: Volume) -> None:
    figure = Figure(figsize=(4, 3))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    draw_overlay(axes, PLANE, small_torso, small_torso, None)
    same = shown_colors(figure, 0)
    assert np.abs(same.max(axis=-1) - same.min(axis=-1)).max() < 0.05
    draw_overlay(axes, PLANE, small_torso, small_torso, sitk.TranslationTransform(3, (40.0, 0.0, 0.0)))
    different = shown_colors(figure, 0)
    assert ((different[..., 0] - different[..., 1]) > 0.15).mean() > 0.03
    assert ((different[..., 1] - different[..., 0]) > 0.15).mean() > 0.03


def test_synthetic_voxels_are_tinted_and_real_ones_are_not(subject: Subject) -> None:
    fixed = shown_colors(real_and_synthetic(subject), 0)
    yellow = (fixed[..., 0] - fixed[..., 2]) > 0.1
    rows = yellow.mean(axis=1)
    # Heights: 150 mm real on top, 40 mm synthetic below it, then nothing down to the end of the lower part.
    assert rows[: round(0.4 * len(rows))].max() < 0.02
    middle = rows[round(0.55 * len(rows)) : round(0.62 * len(rows))]
    assert middle.min() > 0.5
    assert rows[round(0.75 * len(rows)) :].max() < 0.02


def test_checkerboard_and_overlays_are_panels_of_two_views(subject: Subject) -> None:
    for figure, columns in ((checkerboard(subject), 2), (before_and_after(subject), 3)):
        assert [axes.get_ylabel() for axes in figure.axes][::columns] == ["coronal", "sagittal"]
        assert shown_colors(figure, 0).std() > 0.1


def test_the_bound_is_a_shell_around_the_skin_that_widens_to_the_far_end(subject: Subject) -> None:
    """The lower part moves, so that its far end is at the feet."""
    registration = replace(subject.registration, junction=ErrorEstimate(1.0, 2.0), far_end=ErrorEstimate(4.0, 6.0))
    shell = [
        path
        for collection in before_and_after(replace(subject, registration=registration)).axes[1].collections
        for path in collection.get_paths()
    ]
    heights = np.concatenate([path.vertices[:, 1] for path in shell])
    body = taken_back(body_points(real_part(subject.moving)), SHIFT)[:, 2]
    assert heights.min() == pytest.approx(body.min() - 6.0, abs=1.5)
    assert heights.max() == pytest.approx(body.max() + 2.0, abs=1.5)
    # Without a bound for one end there is nothing to draw.
    assert not before_and_after(subject).axes[1].collections


def test_gray_levels_grow_with_hu() -> None:
    levels = compressed(np.array([-3000.0, -1000, -600, -200, 40, 500, 3000]))
    assert levels[0] == levels[1] == 0
    assert (np.diff(levels[1:6]) > 0).all()
    assert levels[5] == levels[6] == 1


def test_the_seam_lies_in_the_middle_of_the_overlap_or_gap(subject: Subject) -> None:
    upper, lower = real_part(subject.fixed), real_part(subject.moving)
    assert seam_height(upper, lower, SHIFT) == pytest.approx(10, abs=8)
    figure = before_and_after(subject)
    low, high = figure.axes[2].get_ylim()
    assert low < 10 < high
    assert high - low <= 160


def test_the_page_prints_to_a4_and_the_first_page_is_to_be_signed(subject: Subject) -> None:
    import weasyprint

    from SSPELib.report.pdf import pdf_of

    # Without the pictures' bytes, which take long to make and say nothing about the layout.
    page = re.sub(r'src="data:image/png;base64,[^"]+"', f'src="{SMALL_PICTURE}" width=900 height=560', page_of(subject))
    assert pdf_of(page).startswith(b"%PDF")
    pages = weasyprint.HTML(string=page).render().pages
    assert all((round(one.width * 25.4 / 96), round(one.height * 25.4 / 96)) == (210, 297) for one in pages)
    assert 2 <= len(pages) <= 5


def test_parts_of_one_name_are_told_apart(subject: Subject) -> None:
    parts = real_part(subject.fixed), real_part(subject.moving)
    alignment = Alignment(SHIFT, reliable=True, expected_error_mm=1.0, error_bound_mm=2.0)
    merged = tasks.merge(*parts, alignment)
    options = MergeOptions()
    about = Assembly.of_merged(merged, parts, alignment, options, ["a/ct.nii", "b/ct.nii"], "out.nii", {"ID": "<P>"})
    assert [about.called(index) for index in range(2)] == ["ct.nii (fixed)", "ct.nii (moving)"]
    assert replace(about, names=["a/one.nii", "b/ct.nii"]).called(1) == "ct.nii"
    page = page_of_assembly(about)
    assert "<td>ct.nii (fixed), ct.nii (moving)</td>" in page
    assert "<b>ID</b> &lt;P&gt;" in page
    assert "Patient, ID" not in page
    assert json.loads(summary_of_assembly(about))["error_of_part_mm"]["b/ct.nii"]["error_bound_mm"] == 2.0
