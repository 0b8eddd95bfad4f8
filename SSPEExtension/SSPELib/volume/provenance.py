"""Where each voxel of a volume comes from."""

from __future__ import annotations

from enum import IntEnum


class Provenance(IntEnum):
    """Where a voxel comes from; the values stand in the masks that are written to files."""

    REAL = 0
    """Measured by a scanner."""
    SYNTHETIC = 1
    """Made by the network."""
    NO_DATA = 2
    """Padding that says nothing about the body: outside the scanner's circle, or a wedge that a resampling left."""
