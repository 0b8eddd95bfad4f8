"""How far off a result says it is: more evidence never means a larger error, contradictions mean no bound at all."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from known_registration import known_findings
from phantoms import torso

from SSPELib.poses import about, apply, rotation_matrix
from SSPELib.registration.confidence import FLOOR_MM, KINDS, PLACES, features, judge, kind_of
from SSPELib.registration.error_constants import RATIOS, WEIGHTS
from SSPELib.registration.evidence import Density, EvidenceModel
from SSPELib.registration.images import ImagePyramid
from SSPELib.registration.inquiry import Inquiry, ends_of
from SSPELib.registration.overlay import Overlay
from SSPELib.registration.search import Peak
from SSPELib.verdict import error_sentence
from SSPELib.volume import slices

WORSE = {
    "body_mm": 2.0,
    "spread_mm": 2.0,
    "real_evidence": -20.0,
    "margin": -20.0,
}


@pytest.mark.parametrize("name", WORSE)
def test_worse_findings_never_promise_a_smaller_error(name):
    good = known_findings()
    worse = known_findings(**{name: getattr(good, name) + WORSE[name]})
    one, other = judge(good, 10.0).body, judge(worse, 10.0).body
    assert other.bound_mm >= one.bound_mm
    assert other.expected_mm >= one.expected_mm


def test_constants_are_complete_and_in_order():
    for place in PLACES:
        assert len(WEIGHTS[place]) == len(features(known_findings(), place))
        assert min(WEIGHTS[place][1:]) >= 0
        assert set(RATIOS[place]) == set(KINDS)
        assert all(0 < half < most for half, most in RATIOS[place].values())


def test_a_result_is_reliable_where_its_bound_is_within_the_tolerance():
    findings = known_findings()
    bound = judge(findings, 10.0).body.bound_mm
    assert judge(findings, bound).reliable
    doubtful = judge(findings, 0.99 * bound)
    assert not doubtful.reliable
    assert any("cannot be ruled out" in reason for reason in doubtful.reasons)


@pytest.mark.parametrize(
    ("contradiction", "word"),
    [
        ({"shared_share": 0.9}, "same region"),
        ({"order_agrees": False}, "opposite order"),
    ],
)
def test_a_contradiction_leaves_no_bound(contradiction, word):
    said = judge(known_findings(**contradiction), 50.0)
    assert not said.reliable
    assert all(math.isinf(error.bound_mm) for error in (said.body, said.junction, said.far_end))
    assert any(word in reason for reason in said.reasons)
    assert "cannot be said" in error_sentence(said.body.expected_mm, said.body.bound_mm)


@pytest.mark.parametrize("chance", [{"evidence": -1.0}, {"mean_evidence": 0.0}])
def test_what_fits_by_chance_is_not_reliable_whatever_its_bound(chance):
    said = judge(known_findings(**chance), 50.0)
    assert math.isfinite(said.body.bound_mm)
    assert not said.reliable
    assert "by chance" in said.reasons[0]


@given(st.floats(0.2, 90), st.floats(1.0, 4.0))
def test_the_sentence_has_both_figures(expected, factor):
    sentence = error_sentence(expected, expected * factor)
    assert sentence.startswith("Expected error ")
    assert "; 9 of 10 such results are within " in sentence
    assert sentence.count(" mm") == 2


def test_the_sentence_is_that_of_the_product():
    assert error_sentence(2.2, 4.8) == "Expected error 2 mm; 9 of 10 such results are within 5 mm"


def test_kinds_of_overlap():
    for overlap, kind in ((40.0, "overlap"), (10.0, "overlap"), (9.9, "gap"), (-30.0, "gap")):
        assert kind_of(known_findings(overlap_mm=overlap)) == kind


def test_however_sure_a_result_is_its_bound_has_a_floor():
    sure = known_findings(body_mm=0.0, spread_mm=0.0, real_evidence=1e9, margin=1e9)
    half, most = RATIOS["body"][kind_of(sure)]
    said = judge(sure, 10.0).body
    assert said.expected_mm == pytest.approx(half * FLOOR_MM, rel=0.01)
    assert said.bound_mm == pytest.approx(most * FLOOR_MM, rel=0.01)


@pytest.fixture(scope="module")
def inquiry() -> Inquiry:
    """The true pose of two parts that share 60 mm."""
    whole = torso(size=(48, 40, 50), spacing=(8.0, 8.0, 5.0))
    fixed, moving = ImagePyramid(slices(whole, 20, 50)), ImagePyramid(slices(whole, 0, 32))
    images = fixed.at(6.0), moving.at(6.0)
    overlay = Overlay(*images, Density.of(images), EvidenceModel(60.0), torch.device("cpu"))
    [evidence] = overlay.evidence(np.eye(4)[None])
    points = moving.at(8.0).real_body_points()[::7]
    return Inquiry(overlay, np.eye(4), evidence, points, fixed.at(8.0), moving.at(8.0))


def test_the_curvature_predicts_small_errors_that_grow_toward_the_far_end(inquiry):
    body, junction, far_end = inquiry.predicted_mm()
    assert junction < body < far_end
    assert 0.01 < body < 5.0


def test_contact_is_the_overlap_by_volume(inquiry):
    contact, covered = inquiry.contact()
    assert contact == pytest.approx(60.0, abs=12.0)
    assert covered > 0.85


def test_candidates_count_by_their_evidence(inquiry):
    away = about(rotation_matrix(np.zeros(3)), np.zeros(3), np.array([0.0, 0.0, 30.0]))
    here = Peak(np.eye(4), 50.0)
    assert inquiry.spread_mm([here, Peak(away, 50.0)]) == pytest.approx(15.0)
    assert inquiry.spread_mm([here, Peak(away, 0.0)]) == pytest.approx(0.0, abs=1e-6)


def test_the_junction_is_the_end_toward_the_other_part(inquiry):
    junction, far_end = ends_of(inquiry.body_points, inquiry.pose, inquiry.fixed)
    height = apply(inquiry.pose, inquiry.body_points)[:, 2]
    assert height[junction].min() > height[far_end].max() + 50
