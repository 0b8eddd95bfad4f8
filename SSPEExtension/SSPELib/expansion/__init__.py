"""Sequential expansion of a volume along the body (eq. 3 of the paper)."""
