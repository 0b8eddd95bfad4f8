"""Sequential structure-preserving expansion and minimal-overlap registration of CT volumes.

The package imports no Qt and no Slicer: the Slicer modules, the command line and the tests stand on the same code.
"""

__version__ = "0.2.0"
