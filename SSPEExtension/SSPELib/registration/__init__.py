"""Registration of partial volumes that hardly overlap, or do not.

`register` itself is not named here: it needs torch, which takes seconds to load and which Slicer installs on demand.
"""

from .backends import Backend, RefinementImages, SimpleITKBackend
from .result import Candidate, Registration, TransformType

__all__ = [
    "Backend",
    "Candidate",
    "RefinementImages",
    "Registration",
    "SimpleITKBackend",
    "TransformType",
]
