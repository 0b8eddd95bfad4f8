"""Nodes from and to files, without a storage node in the scene."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from SSPELib.errors import InputError


def readVolume(node: Any, path: Path) -> None:
    """Fill a volume node from a file; no storage node comes into the scene.

    Raises:
        InputError: the file is missing or cannot be read.
    """
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetSingleFile(True)
    _read(storage, node, path)


def readTransform(node: Any, path: Path) -> None:
    """Fill a linear transform node from ITK's file (LPS, fixed to moving), which the storage node turns into Slicer's.

    Raises:
        InputError: the file is missing or cannot be read.
    """
    found = slicer.vtkMRMLLinearTransformNode()  # reading takes the place of all that a node has, its references too
    _read(slicer.vtkMRMLTransformStorageNode(), found, path)
    node.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(slicer.util.arrayFromTransformMatrix(found)))


def writeTransform(node: Any, path: Path) -> None:
    """Write a transform node into ITK's file, the inverse of `readTransform`.

    Raises:
        InputError: the file cannot be written.
    """
    storage = slicer.vtkMRMLTransformStorageNode()
    storage.SetFileName(str(path))
    if not storage.WriteData(node):
        raise InputError(_("{path} could not be written. Is the disk full?").format(path=path))


def _read(storage: Any, node: Any, path: Path) -> None:
    storage.SetFileName(str(path))
    if not path.is_file() or not storage.ReadData(node):
        raise InputError(_("{path} could not be read. Run it again.").format(path=path))
