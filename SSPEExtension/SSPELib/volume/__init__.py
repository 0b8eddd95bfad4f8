"""CT volumes: what they are, where their body axis and body lie, how they are read and written."""

from .axis import BodyAxis, body_axis, body_length_mm, slices, with_slices
from .body import body_mask
from .volume import AIR_HU, Volume

__all__ = [
    "AIR_HU",
    "BodyAxis",
    "Volume",
    "body_axis",
    "body_length_mm",
    "body_mask",
    "slices",
    "with_slices",
]
