"""The expansion benchmark: aligned cases, baselines with known errors, figures and tests of significance, its files."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from phantoms import torso, write

from SSPELib.cli.app import main
from SSPELib.colors import SYNTHETIC, rgb
from SSPELib.errors import InputError
from SSPELib.expansion.expander import Expander
from SSPELib.expansion.working_grid import to_working
from SSPELib.model.bundle import ModelBundle
from SSPELib.volume import Volume, body_axis
from SSPEResearch.evaluation.expansion.cases import Row, measure, similarity, table, to_gray
from SSPEResearch.evaluation.expansion.claims import claims, holm
from SSPEResearch.evaluation.expansion.continuations import Model, NearestPatient, RepeatedEdge
from SSPEResearch.evaluation.expansion.hidden_case import Frame, HiddenCase, common_frame, make_case, make_cases
from SSPEResearch.evaluation.expansion.summary import by_patient, interval, markdown, paired_test, step_curves

FRAME = Frame(4.0, (16, 16, 16), 8)
ENDS = pytest.mark.parametrize("end", ["inferior", "superior"])


def case_of(volume: Volume, end: str, distance_mm: float = 32.0) -> HiddenCase:
    case = make_case(volume, "one", end, "end", distance_mm, FRAME)
    assert case is not None
    return case


@ENDS
def test_the_next_scope_is_the_scope_one_step_on_and_shows_the_hidden_slices(small_torso, end):
    case = case_of(small_torso, end)
    assert case.scope.shape == case.following.shape
    assert np.abs(case.following[:-8] - case.scope[8:]).mean() < 2.0
    # The first hidden slice is the first beyond the part, in the direction of growth.
    stack = small_torso.array if end == "superior" else small_torso.array[::-1]
    assert len(case.truth) == 7
    np.testing.assert_array_equal(case.truth, stack[-7:])
    inside = case.following[-4] > -900
    assert abs(case.following[-4][inside].mean() - case.truth[3][case.body[3]].mean()) < 60


@ENDS
def test_repeating_the_edge_is_right_where_the_body_does_not_change(end):
    volume = torso(size=(40, 32, 40), spacing=(8.0, 8.0, 5.0), noise_hu=0.0)
    volume = volume.like(np.broadcast_to(volume.array[20], volume.array.shape).copy())
    row = measure(case_of(volume, end), "32 mm", RepeatedEdge(FRAME), FRAME)
    assert row.body_mae_hu == 0
    assert row.new_ssim == pytest.approx(1.0)
    assert row.mae < 0.05
    assert row.ssim > 0.999
    assert row.step_1 == 0
    assert np.isnan(row.step_2)


@ENDS
def test_the_nearest_patient_is_found_and_moved_into_place(small_torso, end):
    other = torso(center=(15.0, -15.0, 0.0), seed=5)
    unlike = torso(size=(36, 36, 40), spacing=(10.0, 6.0, 5.0))
    flat = unlike.like(np.broadcast_to(unlike.array[30], unlike.array.shape).copy())
    training = [np.rint(to_working(v, 4.0, "inferior").array).astype(np.int16) for v in (flat, other)]
    # The grid of the other person is somewhere else in the room, the body the same.
    nearest = NearestPatient([training[0], np.roll(training[1], (3, -4), axis=(1, 2))], FRAME)
    case = case_of(small_torso, end, 64.0)
    found, repeated = (measure(case, "64 mm", way, FRAME) for way in (nearest, RepeatedEdge(FRAME)))
    assert found.body_mae_hu < 0.5 * repeated.body_mae_hu
    assert found.mae < repeated.mae
    assert found.step_2 < repeated.step_2


def test_the_nearest_patient_needs_volumes_that_are_long_enough():
    with pytest.raises(InputError, match="No training volume is long enough"):
        NearestPatient([np.zeros((15, 8, 8), np.int16)], FRAME)


def test_a_model_predicts_the_slices_that_the_expander_appends(small_torso, tiny_bundle):
    expander = Expander(tiny_bundle, "cpu")
    case = case_of(small_torso, "superior")
    new = Model("tiny", expander).new_slices(case)
    expected, _ = expander.expand(case.part, "superior", 35.0)
    assert body_axis(expected).superior == 1
    np.testing.assert_array_equal(new, expected.array[-7:])
    assert Model("tiny", expander).next_scope(case).shape == case.scope.shape


def test_cases_of_a_volume_cover_distances_cuts_ends_and_steps(small_torso):
    found = [
        (purpose, case.end, case.cut, len(case.truth))
        for purpose, case in make_cases(small_torso, "x", FRAME, [32.0], 4)
    ]
    for end in ("inferior", "superior"):
        assert ("32 mm", end, "end", 7) in found
        assert ("32 mm", end, "middle", 7) in found
        # 200 mm less at least 60 mm leave four steps of 32 mm.
        assert ("steps", end, "end", 26) in found
    assert len(found) == 6


def test_gray_values_and_similarity():
    assert to_gray(np.array([-3000, -1000, 500, 2000, 3000])) == pytest.approx([0, 0, 127.5, 255, 255])
    image = np.random.default_rng(1).uniform(0, 255, (9, 20, 20)).astype(np.float32)
    assert similarity(image, image) == pytest.approx(1.0)
    assert similarity(image, 255 - image) < 0
    assert similarity(image[:4], image[:4]) == pytest.approx(1.0)


def test_models_on_different_grids_are_not_compared(tiny_bundle):
    card = tiny_bundle.card
    assert common_frame([card, replace(card, scope=(16, 32, 16))]) == Frame(4.0, (16, 32, 16), 8)
    with pytest.raises(InputError, match="differ in working grid"):
        common_frame([card, replace(card, spacing_mm=2.0)])


def rows(system: str, errors: list[float]) -> list[Row]:
    """Two cases a patient, whose mean is the error given."""
    found = []
    for patient, error in enumerate(errors):
        for end, change in (("inferior", 1.0), ("superior", -1.0)):
            value = error + change
            figures = (value, 30.0, 2 * value, 0.9, 100 * value, 0.5, value, value + 1, float("nan"), float("nan"))
            found.append(Row(f"p{patient}", "64 mm", end, "end", system, *figures))
    return found


def test_means_are_over_patients_and_tests_are_paired():
    one, other = rows("ResGAN", [6.0, 7.0, 8.0, 9.0, 10.0, 11.0]), rows("lambda-ResGAN", [3.0, 5.0, 5.5, 5.0, 5.0, 5.0])
    assert by_patient(one, "mae") == {f"p{number}": 6.0 + number for number in range(6)}
    difference, p = paired_test([*one, *other], "ResGAN", "lambda-ResGAN", "mae")
    assert difference == pytest.approx(8.5 - 28.5 / 6)
    # All six differ in the same direction: 2 / 2 ** 6.
    assert p == pytest.approx(0.03125)
    assert paired_test([*one, *other], "ResGAN", "ResGAN", "mae") == (0.0, 1.0)


def test_bootstrap_interval_lies_around_the_mean_and_stays_the_same():
    values = np.random.default_rng(2).normal(10, 2, 40)
    low, high = interval(values)
    half = 1.96 * values.std(ddof=1) / np.sqrt(40)
    assert low == pytest.approx(values.mean() - half, abs=0.15)
    assert high == pytest.approx(values.mean() + half, abs=0.15)
    assert interval(values) == (low, high)
    assert interval(values[:1]) == (values[0], values[0])


def test_report_has_a_row_a_system_and_direction_the_paper_and_the_tests():
    found = [*rows("ResGAN", [6, 7, 8]), *rows("lambda-ResGAN", [3, 4, 5]), *rows("repeat the edge slice", [8, 8, 8])]
    text = markdown(found, ["ResGAN", "lambda-ResGAN"], "sspe evaluate expansion")
    assert "| ResGAN | both | 7.00 ± 1.00 [" in text
    assert "| lambda-ResGAN | inferior | 5.00 ± 1.00 |" in text
    assert "| paper, lambda-ResGAN | one | 4.13 ± 2.09 |" in text
    assert "| 0.500 | 100 |" in text
    assert "| ResGAN | lambda-ResGAN | +3.000, p = 0.25 |" in text
    curve = step_curves(found)["ResGAN"]
    assert curve[:2] == [(7.0, 6), (8.0, 6)]
    assert [count for _, count in curve] == [6, 6, 0, 0]
    assert table(found).count("\n") == 19


def test_the_report_counts_cases_more_alike_than_every_baseline():
    baselines = [
        *rows("repeat the edge slice", [8, 8]),
        *(replace(row, new_ssim=0.6) for row in rows("nearest training patient", [7, 7])),
    ]
    # Of two patients with two cases each: above both baselines, above one, as good as the better, below both.
    similarities = (0.7, 0.55, 0.6, 0.4)
    model = [replace(row, new_ssim=value) for row, value in zip(rows("ResGAN", [3, 4]), similarities, strict=True)]
    lines = markdown([*model, *baselines], ["ResGAN"], "sspe evaluate expansion").splitlines()
    shares = {line.split(" | ")[0][2:]: line.split(" | ")[-1] for line in lines if " | both | " in line}
    assert shares == {"ResGAN": "25 |", "repeat the edge slice": " |", "nearest training patient": " |"}


def test_holm_corrects_as_in_the_textbook():
    # 4 x 0.005, 3 x 0.01, 2 x 0.03, and no less than the one before.
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.9, 0.8])).max() == 1.0


def test_the_claims_of_the_paper_are_told_apart():
    patients = np.arange(14.0)
    # Gradient matching and lambda take 2 off everywhere; the backbones differ by a little of alternating sign.
    ripple = np.where(patients % 2 == 0, 0.1, -0.1) * (1 + patients / 100)
    found = []
    for name, shift in (("ResGAN", 0.0), ("TransGAN", 1.0), ("TransResGAN", -1.0)):
        found += rows(name, list(9 + patients + shift * ripple))
        found += rows(f"lambda-{name}", list(7 + patients + shift * ripple))
    names = list(dict.fromkeys(row.system for row in found))
    text = "\n".join(claims(found, names, "64 mm"))
    assert "- the backbones are alike: of 12 differences 0 are significantly below zero" in text
    assert "- gradient matching and lambda make each better: of 6 differences 6 are significantly below zero" in text
    assert "the lowest MAE and RMSE: of 10 differences 6 are significantly below zero" in text
    assert "| lambda-ResGAN | ResGAN | -2.000, p = " in text
    assert claims(found, names[:5], "64 mm") == []


def test_the_command_writes_cases_report_and_curve(tmp_path: Path, torso_file: Path, tiny_bundle: ModelBundle, capfd):
    other = shutil.copytree(tiny_bundle.folder, tmp_path / "other")
    training = tmp_path / "training"
    training.mkdir()
    write(torso(seed=3), training / "a.nii.gz")
    arguments = [
        *["evaluate", "expansion", str(torso_file), "--distance", "32", "--output", str(tmp_path / "results")],
        *["--model", str(tiny_bundle.folder), "--model", str(other), "--device", "cpu"],
    ]
    assert main([*arguments, "--training", str(training / "*.nii.gz")]) == 0
    shown = capfd.readouterr().out
    assert (tmp_path / "results" / "expansion.md").read_text(encoding="utf-8").strip() == shown.strip()
    with (tmp_path / "results" / "expansion-cases.csv").open() as stream:
        found = list(csv.DictReader(stream))
    systems = [str(tiny_bundle.folder), str(other), "repeat the edge slice", "nearest training patient"]
    assert [row["system"] for row in found[:4]] == systems
    assert len(found) == 24
    assert all(float(row["mae"]) > 0 for row in found)
    # The same weights under two names give the same figures.
    assert found[0]["body_mae_hu"] == found[1]["body_mae_hu"]
    assert imread(tmp_path / "results" / "expansion-error.png").std() > 0.01
    assert main([*arguments, "--training", str(torso_file)]) == 2
    assert "is to be measured and to be copied from" in capfd.readouterr().err
    assert main([*arguments[:-6], "--output", str(torso_file)]) == 2
    assert "cannot be made" in capfd.readouterr().err
    assert main([*arguments, "--training", str(training / "b*")]) == 2
    assert "No volume matches" in capfd.readouterr().err


def test_the_figure_of_a_patient_marks_what_is_synthetic(tmp_path: Path, torso_file: Path, tiny_bundle: ModelBundle):
    image = tmp_path / "patient.png"
    arguments = ["evaluate", "figure", str(torso_file), str(image), "--model", str(tiny_bundle.folder)]
    assert main([*arguments, "--steps", "2", "--device", "cpu"]) == 0
    pixels = imread(image)[..., :3]
    orange = np.abs(pixels - rgb(SYNTHETIC)).max(axis=-1) < 0.15
    assert orange.sum() > 200
    # The truth, in the left half, has nothing synthetic above the legend.
    assert orange[: int(0.85 * len(pixels)), : pixels.shape[1] // 2].sum() == 0
    assert (tmp_path / "patient-error.png").is_file()
    assert main([*arguments[:3], str(image), "--model", "nothing"]) == 2
