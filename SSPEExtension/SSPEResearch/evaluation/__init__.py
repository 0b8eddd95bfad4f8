"""Benchmarks of expansion and registration on volumes with a known answer."""
