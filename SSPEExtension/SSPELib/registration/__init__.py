"""Registration of partial volumes that hardly overlap, or do not.

`register` itself is not named here: it needs torch, which takes seconds to load and which Slicer installs on demand.
"""

from .backends import Backend, RefinementImages, SimpleITKBackend
from .overlap import OverlapPrediction, predict_overlap
from .result import Candidate, Registration, TransformType

__all__ = [
    "Backend",
    "Candidate",
    "OverlapPrediction",
    "RefinementImages",
    "Registration",
    "SimpleITKBackend",
    "TransformType",
    "predict_overlap",
]
