"""Sequential expansion on any geometry: the own grid, real voxels, marked slices, several steps, cancel, devices."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
import torch
from geometries import GEOMETRIES, Geometry, any_geometry, rotation
from hypothesis import given, settings
from hypothesis import strategies as st

from SSPELib.errors import Cancelled, DeviceError, InputError
from SSPELib.expansion.expander import SEAM_FADES_MM, Expander
from SSPELib.model.device import choose_device
from SSPELib.progress import silent
from SSPELib.side_by_side import side_by_side
from SSPELib.volume import Provenance, Volume, body_axis, real_part, synthetic_mm


@pytest.fixture(scope="module")
def expander(tiny_bundle):
    return Expander(tiny_bundle, "cpu")


def body(geometry, shape_mm=(70.0, 90.0, 110.0), dtype=np.int16, background=-1000) -> Volume:
    """An upright cylinder of tissue with a bone, whatever the image axes are; size as (x, y, z) of the patient, mm."""
    order = np.argmax(np.abs(geometry.direction), axis=0)
    size = [math.ceil(shape_mm[order[i]] / geometry.spacing[i]) for i in range(3)]
    empty = Volume(
        np.full(size[::-1], background, dtype=dtype), geometry.spacing, geometry.origin, geometry.direction, "cylinder"
    )
    k, j, i = np.meshgrid(*[np.arange(n) for n in size[::-1]], indexing="ij")
    points = np.stack([i, j, k, np.ones_like(i)], axis=-1) @ empty.index_to_lps.T
    center = points.reshape(-1, 4).mean(axis=0)
    along = geometry.direction[:, body_axis(empty).index]
    offset = (points - center)[..., :3]
    offset -= (offset @ along)[..., None] * along
    radius = np.linalg.norm(offset, axis=-1)
    array = np.array(empty.array)
    array[radius < 30], array[radius < 8] = 50, 700
    return empty.like(array)


@settings(max_examples=12)
@given(any_geometry(), st.sampled_from(["inferior", "superior", "both"]), st.floats(5, 70))
def test_expansion_keeps_the_own_grid_and_every_real_voxel(expander, geometry, direction, distance):
    volume = body(geometry)
    before = volume.array.copy()
    grown, _ = expander.expand(volume, direction, distance)
    axis, real = body_axis(volume), grown.where(Provenance.REAL)
    count = math.ceil(distance / volume.spacing[axis.index] - 1e-6)
    ends = 2 if direction == "both" else 1
    assert grown.spacing == volume.spacing
    assert np.array_equal(grown.direction, volume.direction)
    assert grown.size[axis.index] == volume.size[axis.index] + ends * count
    assert grown.array.dtype == volume.array.dtype
    assert np.array_equal(grown.array[real].ravel(), volume.array.ravel())
    # The real block lies where it lay: its first voxel, found through the mask, has the place of the input's first.
    first = np.argwhere(real)[0][::-1]
    assert (grown.index_to_lps @ [*first, 1])[:3] == pytest.approx(volume.origin, abs=1e-4)
    expected = {"inferior": 0.0, "superior": 0.0} | dict.fromkeys(
        ("inferior", "superior") if direction == "both" else (direction,), count * volume.spacing[axis.index]
    )
    assert synthetic_mm(grown) == pytest.approx(expected)
    assert np.array_equal(real_part(grown).array, volume.array)
    assert real_part(grown).origin == pytest.approx(volume.origin, abs=1e-4)
    head_index = -1 if axis.superior > 0 else 0
    marked_at_head = np.moveaxis(~real, axis.numpy_axis, 0)[head_index].all()
    assert marked_at_head == (direction in ("superior", "both"))
    assert np.array_equal(volume.array, before)


def test_mask_image_lies_on_the_grid_of_the_result(expander):
    expanded, _ = expander.expand(body(GEOMETRIES["oblique"]), "both", 20.0)
    mask, grown = expanded.provenance_image(), expanded.to_image()
    assert mask.GetSize() == grown.GetSize()
    assert mask.GetOrigin() == grown.GetOrigin()
    assert mask.GetDirection() == grown.GetDirection()


@pytest.mark.parametrize("end", ["inferior", "superior"])
def test_both_ends_see_the_same_network(expander, end):
    """A volume upside down, expanded at its other end, gives the mirrored slices: one network, both directions."""
    volume = body(GEOMETRIES["upright"])
    other = {"inferior": "superior", "superior": "inferior"}[end]
    mirrored = volume.like(np.ascontiguousarray(volume.array[::-1]))
    grown = expander.expand(volume, end, 48.0)[0].array
    again = expander.expand(mirrored, other, 48.0)[0].array
    assert np.array_equal(grown, again[::-1])


def test_two_steps_are_the_network_applied_twice(expander, tiny_bundle):
    """Eq. 3 on a volume that lies on the working grid already: expansion equals the hand-made chain."""
    cylinder = body(GEOMETRIES["upright"], (64.0, 64.0, 64.0), np.float32)
    volume = cylinder.like(np.maximum(cylinder.array, -100.0))
    expanded, _ = expander.expand(volume, "superior", 64.0)
    scope = torch.from_numpy(np.array(volume.array)).clamp(-1000, 2000)[None, None] / 1000
    network = tiny_bundle.network(torch.device("cpu"))
    # The expander gives the network the body with a margin: 24 x 24 around the 16 x 16 of a volume full of tissue.
    scope = torch.nn.functional.pad(scope, (4, 4, 4, 4), value=-1.0)
    with torch.inference_mode():
        for _ in range(2):
            following = network(scope)
            error = following[:, :, 7:8] - scope[:, :, -1:]
            fading = torch.exp(-torch.arange(1, 9) * 4.0 / SEAM_FADES_MM).view(1, 1, 8, 1, 1)
            scope = torch.cat([scope[:, :, 8:], following[:, :, 8:] - error * fading], dim=2)
    expected = (scope[0, 0, :, 4:-4, 4:-4] * 1000).clamp(-1000, 2000).numpy()
    found = expanded.array[16:]
    center = (slice(None), slice(5, 11), slice(5, 11))
    assert (expected[center] > -300).all()
    assert found[center] == pytest.approx(expected[center], abs=0.05)


@pytest.mark.parametrize(("distance_mm", "steps"), [(30.0, 1), (33.0, 1), (36.0, 1), (37.0, 2), (64.0, 2), (68.0, 2)])
def test_rounding_up_to_whole_slices_costs_no_step(expander, distance_mm, steps):
    """A step is 32 mm; up to one working slice of 4 mm beyond the last step is held."""
    seen: list[str] = []
    volume = body(GEOMETRIES["upright"])
    expanded, _ = expander.expand(volume, "superior", distance_mm, lambda fraction, message: seen.append(message))
    assert {message.split(" toward")[0] for message in seen if message.startswith("Step")} == {
        f"Step {number + 1} of {steps}" for number in range(steps)
    }
    assert expanded.array[-1].max() > -500


def test_a_body_wider_than_the_training_scope_is_grown_whole(expander):
    volume = body(GEOMETRIES["coarse"], (260.0, 240.0, 80.0))
    new = expander.expand(volume, "superior", 10.0)[0].array[-1]
    wide = volume.like(np.full_like(volume.array, 50))
    whole = expander.expand(wide, "superior", 10.0)[0].array[-1]
    assert new.shape == volume.array.shape[1:]
    assert (whole > -900).mean() > 0.95


def test_background_of_the_volume_goes_on_outside_the_body(expander):
    volume = body(GEOMETRIES["coarse"], background=-1024)
    expanded, _ = expander.expand(volume, "inferior", 30.0)
    corner = expanded.array[:6, 0, 0]
    assert (corner == -1024).all()


def test_no_step_at_the_border(expander):
    """The first new slice continues the last real one, its noise included; far from it the noise is gone."""
    fine = Geometry((1.0, 1.0, 1.0), (0.0, 0.0, 0.0), rotation((5.0, 0.0, 0.0)))
    volume = body(fine)
    noise = np.random.default_rng(1).normal(0, 40, volume.array.shape)
    volume = volume.like(np.where(volume.array > -500, volume.array + noise, volume.array).astype(np.int16))
    expanded, _ = expander.expand(volume, "superior", 40.0)
    last, new = volume.array[-1].astype(float), expanded.array[len(volume.array) :].astype(float)
    y, x = np.indices(last.shape) - (np.array(last.shape)[:, None, None] - 1) / 2
    tissue = (np.hypot(y, x) < 24) & (np.hypot(y, x) > 14)
    assert abs((new[0] - last)[tissue].mean()) < 10.0
    assert np.corrcoef(new[0][tissue], last[tissue])[0, 1] > 0.8
    assert abs(np.corrcoef(new[39][tissue], last[tissue])[0, 1]) < 0.4


def test_progress_runs_from_zero_to_one(expander):
    seen: list[float] = []
    expander.expand(body(GEOMETRIES["coarse"]), "both", 60.0, lambda fraction, message: seen.append(fraction))
    assert seen[0] == 0.0
    assert seen[-1] == 1.0
    assert seen == sorted(seen)
    # Each of the four steps, two at each end, tells how far it is.
    assert len(set(seen)) > 40


def test_cancel_inside_a_step_is_prompt(expander):
    volume = body(GEOMETRIES["coarse"])

    def cancel(fraction: float, message: str) -> None:
        if "Step 2" in message:
            raise Cancelled

    started = time.monotonic()
    with pytest.raises(Cancelled):
        expander.expand(volume, "superior", 300.0, cancel)
    assert time.monotonic() - started < 2.0


def test_far_distance_warns(expander):
    _, warnings = expander.expand(body(GEOMETRIES["coarse"]), "superior", 160.0)
    assert any("150 mm" in warning for warning in warnings)


def test_short_volume(expander):
    volume = body(GEOMETRIES["coarse"], (70.0, 90.0, 25.0))
    with pytest.raises(InputError, match=r"cylinder is only 25\.0 mm long"):
        expander.expand(volume, "superior", 20.0)


def test_volume_without_body(expander):
    volume = body(GEOMETRIES["coarse"])
    with pytest.raises(InputError, match="No body is in view in cylinder"):
        expander.expand(volume.like(np.full_like(volume.array, -1000)), "superior", 20.0)


@pytest.mark.parametrize("end", ["inferior", "superior"])
@pytest.mark.parametrize("geometry", ["coarse", "feet first"])
def test_slices_beyond_what_the_network_sees_change_nothing(expander, geometry, end):
    volume = body(GEOMETRIES[geometry], (70.0, 90.0, 200.0))
    axis = body_axis(volume)
    spacing = volume.spacing[axis.index]
    seen = math.ceil((expander.bundle.card.scope_mm + 2 * expander.bundle.card.spacing_mm) / spacing) + 1
    away = np.array(volume.array)
    stack = np.moveaxis(away, axis.numpy_axis, 0)
    at_last = (end == "superior") == (axis.superior > 0)
    (stack[:-seen] if at_last else stack[seen:])[:] = -1000
    assert (away != volume.array).any()
    new, same = (
        grown.array[grown.where(Provenance.SYNTHETIC)]
        for grown in (expander.expand(one, end, 40.0)[0] for one in (volume, volume.like(away)))
    )
    np.testing.assert_array_equal(new, same)
    # A body that ends long before the volume does: its air goes on.
    air = np.array(volume.array)
    stack = np.moveaxis(air, axis.numpy_axis, 0)
    (stack[-seen - 1 :] if at_last else stack[: seen + 1])[:] = -1000
    grown = expander.expand(volume.like(air), end, 20.0)[0]
    assert (grown.array[grown.where(Provenance.SYNTHETIC)] == -1000).all()


def test_memory_of_the_gpu_runs_out_and_the_cpu_takes_over(tiny_bundle, monkeypatch):
    expander = Expander(tiny_bundle, "cpu")
    volume = body(GEOMETRIES["coarse"])
    expected = expander.expand(volume, "superior", 40.0)[0].array
    calls = []

    def run_out_once(module, scope):
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")

    handle = expander.network.register_forward_pre_hook(run_out_once)
    # The meta device stands for a GPU: what reaches it before the failure is never computed.
    monkeypatch.setattr(expander, "device", torch.device("meta"))
    expanded, warnings = expander.expand(volume, "superior", 40.0)
    handle.remove()
    assert np.array_equal(expanded.array, expected)
    assert any("too small" in warning for warning in warnings)
    # The next expansion tries the GPU again.
    assert expander.device == torch.device("meta")


def test_missing_devices_are_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match="finds no NVIDIA GPU"):
        choose_device("cuda")
    with pytest.raises(DeviceError, match="'tpu' is unknown"):
        choose_device("tpu")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    device, warning = choose_device("auto")
    assert device.type == "cpu"
    assert "No GPU was found" in warning
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto") == (torch.device("cuda"), None)


def test_two_volumes_grow_at_once_as_they_grow_alone(expander):
    volumes = [body(geometry) for geometry in list(GEOMETRIES.values())[:2]]
    together = side_by_side(
        lambda volume, tick: expander.expand(volume, "superior", 40.0, tick)[0], volumes, silent, "growing"
    )
    for volume, grown in zip(volumes, together, strict=True):
        assert np.array_equal(grown.array, expander.expand(volume, "superior", 40.0)[0].array)
