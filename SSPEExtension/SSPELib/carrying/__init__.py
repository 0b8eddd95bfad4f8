"""Carrying along what belongs to the moving scan: images, labels, dose, points, contours and surfaces."""

from .carry import KINDS, Carried, carry

__all__ = ["KINDS", "Carried", "carry"]
