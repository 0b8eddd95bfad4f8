"""Image geometries for tests: upright, flipped, left-handed, permuted, oblique, anisotropic; named and at random."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np
import SimpleITK as sitk
from hypothesis import strategies as st
from numpy.typing import NDArray

from SSPELib.volume import Volume

# Fixed to moving points: a turn and a shift that no symmetry of the phantom hides.
TURN = sitk.VersorRigid3DTransform((0.3, -0.2, 1.0), 0.12, (15, -12, 25), (5, 10, -10))


@dataclass(frozen=True)
class Geometry:
    """Spacing (x, y, z) mm, origin LPS mm, direction (3, 3)."""

    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    direction: NDArray[np.float64]


def rotation(degrees: tuple[float, float, float]) -> NDArray[np.float64]:
    """Rotation matrix about x, then y, then z."""
    matrix = np.eye(3)
    for angle, (a, b) in zip(np.radians(degrees), [(1, 2), (2, 0), (0, 1)], strict=True):
        turn = np.eye(3)
        turn[[a, a, b, b], [a, b, a, b]] = [np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)]
        matrix = turn @ matrix
    return matrix


GEOMETRIES = {
    "upright": Geometry((4.0, 4.0, 4.0), (0.0, 0.0, 0.0), np.eye(3)),
    "coarse": Geometry((4.0, 4.0, 5.0), (-200.0, -150.0, 30.0), np.eye(3)),
    "feet first": Geometry((3.0, 3.0, 5.0), (10.0, -20.0, 400.0), np.diag([1.0, 1.0, -1.0])),
    "left-handed": Geometry((2.0, 3.0, 4.0), (5.0, 6.0, 7.0), np.diag([-1.0, 1.0, 1.0])),
    "sagittal": Geometry((2.5, 3.5, 4.5), (1.0, 2.0, 3.0), np.array([[0, 0, 1.0], [1.0, 0, 0], [0, 1.0, 0]])),
    "oblique": Geometry((3.0, 3.0, 2.5), (-90.0, 40.0, 700.0), rotation((11.0, -7.0, 15.0))),
}


def any_geometry() -> st.SearchStrategy[Geometry]:
    """Random axis order, flips (both hands), a tilt up to 30 degrees an axis, spacing 0.5 to 6 mm."""

    def build(order, flips, tilt, spacing, origin) -> Geometry:
        direction = rotation(tilt) @ (np.eye(3)[list(order)] * np.array(flips)[:, None])
        return Geometry(spacing, origin, direction)

    sign = st.sampled_from([-1.0, 1.0])
    angle = st.floats(-15, 15)
    return st.builds(
        build,
        st.sampled_from(list(permutations(range(3)))),
        st.tuples(sign, sign, sign),
        st.tuples(angle, angle, angle),
        st.tuples(*[st.floats(0.5, 6.0)] * 3),
        st.tuples(*[st.floats(-800.0, 800.0)] * 3),
    )


def oriented_volume(geometry: Geometry, shape: tuple[int, int, int], dtype: type = np.int16) -> Volume:
    """A volume of distinct voxel values of shape (z, y, x)."""
    array = np.arange(np.prod(shape), dtype=dtype).reshape(shape)
    return Volume(array, geometry.spacing, geometry.origin, geometry.direction, name="numbered voxels")
