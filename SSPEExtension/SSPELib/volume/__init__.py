"""CT volumes: what they are, where their body axis and body lie, how they are read and written."""

from .axis import BodyAxis, body_axis, body_length_mm, slices, with_slices
from .body import body_mask
from .checks import check_ct
from .reading import read_volume
from .volume import AIR_HU, Volume
from .writing import write_image, write_transform

__all__ = [
    "AIR_HU",
    "BodyAxis",
    "Volume",
    "body_axis",
    "body_length_mm",
    "body_mask",
    "check_ct",
    "read_volume",
    "slices",
    "with_slices",
    "write_image",
    "write_transform",
]
