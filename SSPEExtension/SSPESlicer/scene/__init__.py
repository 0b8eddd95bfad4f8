"""Nodes of the scene: volumes as SSPELib sees them and back, where they lie, where their voxels come from."""
