"""The self-test of SSPE Register: the same in 3D Slicer and in the project's CI."""

from .after import companions, parts
from .bodies import expandedBy, knownMotion, meanErrorMm, moved
from .registration import SSPERegisterTest

__all__ = ["SSPERegisterTest", "companions", "expandedBy", "knownMotion", "meanErrorMm", "moved", "parts"]
