"""Runs unchanged scripted modules of a 3D Slicer extension without the application: real MRML, PySide6, strict."""
