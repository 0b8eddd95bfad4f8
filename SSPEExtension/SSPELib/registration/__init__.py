"""Registration of partial volumes that hardly overlap, or do not."""

from .backends import Backend, RefinementImages, SimpleITKBackend
from .overlap import OverlapPrediction, predict_overlap
from .register import register
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
    "register",
]
