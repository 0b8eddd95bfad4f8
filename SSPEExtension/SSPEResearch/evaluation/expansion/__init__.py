"""Expansion measured on volumes whose slices are known."""
