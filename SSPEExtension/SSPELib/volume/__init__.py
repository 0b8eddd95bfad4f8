"""CT volumes: what they are, and where their body axis and their body lie."""

from .axis import BodyAxis, End, body_axis, body_length_mm, real_part, slices, synthetic_mm, with_slices
from .body import body_mask
from .checks import check_ct
from .provenance import Provenance
from .volume import AIR_HU, Volume, index_to_lps_of

__all__ = [
    "AIR_HU",
    "BodyAxis",
    "End",
    "Provenance",
    "Volume",
    "body_axis",
    "body_length_mm",
    "body_mask",
    "check_ct",
    "index_to_lps_of",
    "real_part",
    "slices",
    "synthetic_mm",
    "with_slices",
]
