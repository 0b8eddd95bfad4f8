"""Hounsfield units: that of air, and what the networks see of them. Standard library only."""

AIR_HU = -1000
HU_SCALE = 1000.0
"""The networks see HU / 1000."""
