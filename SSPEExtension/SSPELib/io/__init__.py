"""Files: volumes in, volumes, transforms and texts out."""

from .reading import read_volume, read_volumes
from .writing import Outputs, write_image, write_transform

__all__ = ["Outputs", "read_volume", "read_volumes", "write_image", "write_transform"]
