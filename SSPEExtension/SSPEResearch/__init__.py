"""Training and evaluation of what SSPELib uses; not part of the Slicer extension."""
