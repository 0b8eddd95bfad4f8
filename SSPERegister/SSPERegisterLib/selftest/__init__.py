"""The self-test of SSPE Register: the same in 3D Slicer and in the project's CI."""

from .after import companions, parts
from .registration import SSPERegisterTest, expandedBy, knownMotion, meanErrorMm, moved

__all__ = ["SSPERegisterTest", "companions", "expandedBy", "knownMotion", "meanErrorMm", "moved", "parts"]
