"""What every front end calls: checks, expansion of what needs it, and the registration with its options."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from known_registration import known_registration
from phantoms import torso

from SSPELib import tasks
from SSPELib.errors import InputError
from SSPELib.model.bundle import ModelBundle
from SSPELib.options import ExpandOptions, RegisterOptions
from SSPELib.registration import SimpleITKBackend
from SSPELib.volume import Provenance, Volume, real_part, slices, synthetic_mm, with_slices


@pytest.fixture(scope="module")
def parts() -> tuple[Volume, Volume]:
    """Upper and lower part of a torso."""
    whole = torso(size=(48, 36, 64), spacing=(8, 8, 5))
    return replace(slices(whole, 28, 64), name="upper"), replace(slices(whole, 0, 36), name="lower")


def test_what_is_loaded_ahead_is_there_and_garbage_is_looked_for_again() -> None:
    code = (
        "import gc, sys, threading\n"
        "from SSPELib.model.device import load_ahead\n"
        "assert 'torch' not in sys.modules\n"
        "load_ahead('.registration.register')\n"
        "[one.join() for one in threading.enumerate() if one is not threading.main_thread()]\n"
        "assert {'torch', 'SSPELib.registration.register'} <= set(sys.modules)\n"
        "assert gc.isenabled()\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=120).returncode == 0


@pytest.fixture
def aligned(monkeypatch: pytest.MonkeyPatch, tiny_bundle: ModelBundle) -> list[dict[str, object]]:
    """Replaces the registration itself; collects what it is called with."""
    calls: list[dict[str, object]] = []

    def align(fixed: Volume, moving: Volume, **others: object) -> object:
        calls.append({"fixed": fixed, "moving": moving, **others})
        return known_registration(sitk.VersorRigid3DTransform())

    monkeypatch.setattr("SSPELib.registration.register.register", align)
    monkeypatch.setattr("SSPELib.model.bundle.load_bundle", lambda name=None: tiny_bundle)
    return calls


def grown(volume: object) -> set[str]:
    assert isinstance(volume, Volume)
    return {end for end, mm in synthetic_mm(volume).items() if mm > 0}


@pytest.mark.parametrize("start", ["header", "unknown"])
def test_parts_grow_toward_each_other(parts, aligned, start):
    for fixed, moving in (parts, parts[::-1]):
        done = tasks.register(fixed, moving, RegisterOptions(start=start, distance_mm=40.0, device="cpu"))
        for volume in (done.fixed, done.moving):
            end = "inferior" if volume.name == "upper" else "superior"
            assert grown(volume) == ({"inferior", "superior"} if start == "unknown" else {end})
        assert done.model == "tiny"
    assert [call["start"] for call in aligned] == [start, start]


def test_a_volume_that_is_expanded_already_is_not_expanded_again(parts, aligned, monkeypatch):
    upper, lower = parts
    expanded = tasks.expand(upper, ExpandOptions(distance_mm=40.0, device="cpu")).volume
    done = tasks.register(expanded, lower, RegisterOptions(device="cpu"))
    assert done.fixed is expanded
    assert grown(done.moving) == {"superior"}
    both = done.moving
    monkeypatch.setattr("SSPELib.model.bundle.load_bundle", lambda name=None: pytest.fail("the model was loaded"))
    tasks.forget_models()
    again = tasks.register(expanded, both, RegisterOptions(device="cpu"))
    assert (again.fixed, again.moving, again.model) == (expanded, both, None)


def test_without_expansion_no_model_is_loaded(parts, aligned, monkeypatch):
    monkeypatch.setattr("SSPELib.model.bundle.load_bundle", lambda name=None: pytest.fail("the model was loaded"))
    done = tasks.register(*parts, RegisterOptions(expand=False))
    assert (done.fixed, done.moving, done.model) == (*parts, None)


def test_a_start_transform_tells_which_part_is_the_upper_one(parts, aligned):
    upper, lower = parts
    below = sitk.VersorRigid3DTransform()
    below.SetTranslation((0.0, 0.0, -400.0))
    done = tasks.register(upper, lower, RegisterOptions(distance_mm=20.0, device="cpu"), start_transform=below)
    assert (grown(done.fixed), grown(done.moving)) == ({"superior"}, {"inferior"})
    assert aligned[0]["start"] is below


def test_options_reach_the_registration(parts, aligned):
    tasks.register(*parts, RegisterOptions(transform_type="affine", expand=False, backend="simpleitk"))
    assert aligned[0]["transform_type"] == "affine"
    assert aligned[0]["backend"] == SimpleITKBackend()
    with pytest.raises(InputError, match="brainsfit is a module of 3D Slicer"):
        tasks.register(*parts, RegisterOptions(backend="brainsfit"))


def test_bad_inputs_are_refused_before_any_work(parts, aligned):
    upper, lower = parts
    no_ct = upper.like(np.full_like(upper.array, -1000))
    with pytest.raises(InputError, match="no body"):
        tasks.register(no_ct, lower)
    with pytest.raises(InputError, match="distance"):
        tasks.expand(upper, ExpandOptions(distance_mm=500.0))
    assert not aligned


def test_what_is_checked_is_what_was_scanned(parts, aligned):
    """Synthetic slices make no short scan long enough."""
    upper, lower = parts
    short = slices(upper, 0, 5)
    more = with_slices(short, None, np.repeat(short.array[-1:], 20, axis=0), Provenance.SYNTHETIC)
    assert real_part(more).array.shape[0] == 5
    with pytest.raises(InputError, match=r"only 25\.0 mm long"):
        tasks.register(more, lower)
