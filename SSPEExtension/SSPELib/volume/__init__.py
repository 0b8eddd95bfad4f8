"""CT volumes: what they are, and where their body axis and their body lie."""

from .axis import BodyAxis, body_axis, body_length_mm, slices, with_slices
from .body import body_mask
from .checks import check_ct
from .volume import AIR_HU, Volume

__all__ = [
    "AIR_HU",
    "BodyAxis",
    "Volume",
    "body_axis",
    "body_length_mm",
    "body_mask",
    "check_ct",
    "slices",
    "with_slices",
]
