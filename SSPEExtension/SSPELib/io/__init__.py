"""Files: volumes in, volumes, transforms and texts out."""

from .reading import read_volume
from .writing import Outputs, write_image, write_transform

__all__ = ["Outputs", "read_volume", "write_image", "write_transform"]
