"""The average error of synthetic slices is undone where they alone join two parts, whichever is fixed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phantoms import torso
from test_registration import grown

from SSPELib.registration.drift import DRIFT_MM, drift_share, without_drift
from SSPELib.registration.pair import Pair
from SSPELib.registration.poses import about, apply, rotation_angle, rotation_matrix
from SSPELib.volume import Volume, slices


@pytest.fixture(scope="module")
def person() -> Volume:
    return torso(size=(66, 48, 80), spacing=(5.0, 5.0, 4.0), center=(0.0, 0.0, -50.0), noise_hu=0.0)


@pytest.fixture(scope="module")
def apart(person) -> tuple[Pair, Pair]:
    """Upper part fixed, and the other way round; 20 mm between them."""
    upper, lower = grown(slices(person, 42, 80), "inferior"), grown(slices(person, 0, 37), "superior")
    return Pair.of(upper, lower), Pair.of(lower, upper)


def shifted(mm: float) -> np.ndarray:
    return about(np.eye(3), np.zeros(3), np.array([0.0, 0.0, mm]))


@settings(max_examples=10, deadline=None)
@given(st.tuples(*[st.floats(-0.15, 0.15)] * 3), st.tuples(*[st.floats(-15, 15)] * 3), st.floats(0, 1))
def test_it_does_not_matter_which_part_is_fixed(apart, vector, shift, share):
    pose = about(rotation_matrix(np.array(vector)), np.zeros(3), np.array(shift))
    one, other = without_drift(apart[0], pose, share), without_drift(apart[1], np.linalg.inv(pose), share)
    assert np.allclose(np.linalg.inv(one), other, atol=1e-9)


def test_the_lower_part_goes_down_and_its_far_end_forward(apart):
    pair = apart[0]
    junction, far = np.array([[0.0, 0.0, -10.0], [0.0, 0.0, -160.0]])
    place = apply(np.linalg.inv(without_drift(pair, np.eye(4))), np.array([junction, far]))
    assert place[0, 2] == pytest.approx(junction[2] - DRIFT_MM, abs=1.5)
    # Patients face -y in LPS.
    assert place[1, 1] - place[0, 1] < -5
    assert rotation_angle(without_drift(pair, np.eye(4))) == pytest.approx(3.0)


def test_overlap_leaves_nothing_to_undo_and_a_gap_all(apart):
    pair = apart[0]
    # A pose that takes fixed points down brings the moving part up.
    shares = [drift_share(pair, shifted(mm)) for mm in (0.0, -18.0, -20.0, -26.0, -60.0)]
    assert shares[0] == 1.0
    assert shares[0] > shares[1] > shares[2] > shares[3] == shares[4] == 0.0
    assert shares[2] == pytest.approx(0.5)


def test_what_was_not_expanded_has_not_drifted(apart):
    pair = Pair.of(apart[0].fixed_real, apart[0].moving_real)
    assert drift_share(pair, np.eye(4)) == 0.0
