"""Command-line modules: `slicer.cli`, and stand-ins for modules whose executable is not to be had."""
