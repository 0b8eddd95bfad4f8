"""One volume of two aligned ones, with a map of where each voxel comes from."""

from .merge import Merged, MergedFrom, merge_volumes

__all__ = ["Merged", "MergedFrom", "merge_volumes"]
