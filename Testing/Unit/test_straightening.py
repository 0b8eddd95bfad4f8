"""Tilted and uneven series of an analytic body, whose HU at any point and whose centers are known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from dicom_series import write_series
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from SSPELib.io import read_volume
from SSPELib.volume import Provenance, Volume
from SSPELib.volume.points import at_indices

AIR = -1000.0
SPACING = (4.5, 4.0)
SIZE = (64, 64)
# Slices are interpolated linearly, voxels within them by splines, which swing for some voxels beside an edge.
EDGE_MM = 18.0
Hu = Callable[[NDArray[np.float64]], NDArray[np.float64]]

EVEN = st.builds(lambda step: np.arange(-75.0, 76.0, step).tolist(), st.floats(1.5, 5.0))
UNEVEN = st.integers(0, 2**32 - 1).map(lambda seed: uneven(np.random.default_rng(seed)))
TILTS = st.floats(-25.0, 25.0)
CENTERS = st.tuples(*[st.floats(-12.0, 12.0)] * 3)


def uneven(random: np.random.Generator) -> list[float]:
    """Heights of slices that lie 1 to 7 mm apart, from -75 to about 75 mm."""
    heights = -75.0 + np.cumsum(random.uniform(1.0, 7.0, 150))
    return [-75.0, *heights[heights < 75.0].tolist()]


def scanned(hu: Hu, heights: list[float], tilt_degrees: float, intercept: float = -1024.0) -> Volume:
    """What is read of a DICOM series of slices at these heights, mm, under a tilted gantry."""
    angle = np.radians(tilt_degrees)
    direction = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    spacing = (*SPACING, 3.0)
    corner = direction @ (np.array([*SIZE, 1]) * spacing / -2)
    origins = corner + np.outer(heights, [0.0, 0.0, 1.0])
    rows, columns = np.meshgrid(np.arange(SIZE[1]), np.arange(SIZE[0]), indexing="ij")
    in_plane = np.stack([columns, rows, np.zeros_like(rows)], axis=-1) * spacing @ direction.T
    array = np.stack([hu(in_plane + origin) for origin in origins])
    with TemporaryDirectory() as folder:
        series = Path(folder) / "series"
        stack = Volume(array, spacing, tuple(corner), direction)
        write_series(series, stack, positions=origins, slope=1 / 16, intercept=intercept, SliceThickness=10)
        return read_volume(series)


def places(volume: Volume) -> NDArray[np.float64]:
    """Centers (z, y, x, 3) of all voxels, LPS mm."""
    index = np.stack(np.meshgrid(*map(np.arange, volume.array.shape), indexing="ij"), axis=-1)[..., ::-1]
    return at_indices(volume, index.reshape(-1, 3).astype(np.float64)).reshape(index.shape)


ELLIPSOIDS = [((0.0, 0.0, 0.0), (100.0, 85.0, 130.0), 1040.0), ((25.0, -15.0, 10.0), (42.0, 38.0, 45.0), 700.0)]


def body(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Soft tissue with a dense organ, both with sharp edges."""
    hu = np.full(points.shape[:-1], AIR)
    for center, axes, more in ELLIPSOIDS:
        hu += more * (np.linalg.norm((points - center) / axes, axis=-1) < 1)
    return hu


def from_edge_mm(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far from any edge of the body points lie at least."""
    away = [np.abs(np.linalg.norm((points - c) / axes, axis=-1) - 1) * min(axes) for c, axes, _ in ELLIPSOIDS]
    return np.minimum(*away)


@settings(max_examples=5)
@given(heights=EVEN | UNEVEN, tilt=TILTS)
def test_values_away_from_edges_are_those_of_the_body(heights: list[float], tilt: float) -> None:
    read = scanned(body, heights, tilt)
    points = places(read)
    away = from_edge_mm(points) > EDGE_MM
    if read.provenance is not None:
        away &= read.where(Provenance.REAL)
    assert away.mean() > 0.2
    assert np.ptp(body(points[away])) > 1500
    assert np.abs(read.array - body(points))[away].max() <= 3


@settings(max_examples=5)
@given(heights=EVEN, tilt=TILTS, center=CENTERS)
def test_spheres_stay_where_they_are_whatever_the_tilt(
    heights: list[float], tilt: float, center: tuple[float, float, float]
) -> None:
    np.testing.assert_allclose(found_center(heights, tilt, center), center, atol=1e-3)


@settings(max_examples=5)
@given(heights=UNEVEN, tilt=TILTS, center=CENTERS)
def test_spheres_stay_where_they_are_however_uneven_the_slices(
    heights: list[float], tilt: float, center: tuple[float, float, float]
) -> None:
    """A straight line between two slices is no sphere, hence less exact along the body."""
    np.testing.assert_allclose(found_center(heights, tilt, center), center, atol=0.1)


def test_what_lies_outside_the_circle_of_a_tilted_scan_is_no_data() -> None:
    def circled(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(np.hypot(points[..., 0], points[..., 1]) < 125, body(points), -3024.0)

    read = scanned(circled, np.arange(-75.0, 76.0, 2.5).tolist(), 15.0, intercept=-3024.0)
    assert read.array.min() > -1100
    # Tilted slices cut the cylinder that the gantry sees less obliquely than upright ones; their rims lie elsewhere.
    points = places(read)
    away = np.hypot(points[..., 0], points[..., 1])
    assert np.all(read.where(Provenance.NO_DATA)[away > 135])
    assert not np.any(read.where(Provenance.NO_DATA)[(away < 115) & (np.abs(points[..., 2]) < 40)])


def found_center(heights: list[float], tilt: float, center: tuple[float, float, float]) -> NDArray[np.float64]:
    """Where a smooth sphere about a center is in what is read, LPS mm."""

    def sphere(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return AIR + 1600 * np.exp(-(np.linalg.norm(points - center, axis=-1) ** 2) / (2 * 12.0**2))

    read = scanned(sphere, heights, tilt)
    weights = read.array - AIR
    assert weights.max() == pytest.approx(1600, abs=200)
    return np.asarray(np.average(places(read).reshape(-1, 3), axis=0, weights=weights.ravel()))
