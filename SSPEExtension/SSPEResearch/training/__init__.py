"""Training of the six systems of the paper (extra: train)."""
