"""One palette: a color means the same in figures, in reports and in the views of 3D Slicer."""

from __future__ import annotations

FIXED = "#e754e7"
"""Fixed volume; complementary to MOVING, so that both add up to white where they agree."""
MOVING = "#18ab18"
"""Moving volume."""
BOTH = "#ffffff"
"""Where both volumes are shown as one mean: FIXED and MOVING add up to it."""
SYNTHETIC = "#ff9f1c"
"""Slices made by the network, alone or on real ones."""
SYNTHETIC_ON_SYNTHETIC = "#d9480f"
"""Where the synthetic slices of two volumes meet."""
RELIABLE = "#1b5e20"
"""A result that may be relied on, and real voxels on real ones."""
UNRELIABLE = "#b71c1c"
"""A result that must not be used unchecked."""
BOUND = "#ffd60a"
"""How far off a result may be."""
NO_DATA = "#7d8ea3"
"""Padding, which says nothing about the body."""
MUTED = "#9aa4af"
"""What is there for comparison only."""

PARTS = (FIXED, MOVING, "#4f7cff", "#12a5b5", "#8b5cf6", "#a3e635", "#f43f5e", "#0ea5e9", "#c08457", "#64748b")
"""Two to ten parts of a body, as they were given."""
SEVERAL = "#dcdcdc"
"""A mean of several volumes, and where two agree."""


def rgb(color: str) -> tuple[float, float, float]:
    """Red, green and blue of a color, 0 to 1."""
    red, green, blue = (int(color[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return red, green, blue
