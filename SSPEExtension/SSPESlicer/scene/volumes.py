"""MRML volume nodes as SSPELib volumes and back; parent transforms are applied to the copy, never to the node."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray
from slicer.i18n import tr as _

from SSPELib.errors import InputError
from SSPELib.volume import Provenance, Volume

from . import marks, sources
from .dicom import frameOfReference
from .display import copyDisplay
from .geometry import RAS_TO_LPS, ijkToWorld, parentOf, putUnderTransformsOf
from .provenance import ORIGINAL_ROLE, originalOf
from .straightening import isStraight


def volumeFromNode(volumeNode: Any, beforeRegistration: bool = False) -> Volume:
    """Return a copy of a volume node in world coordinates (see `ijkToWorld`); the node stays as it is.

    Raises:
        InputError: the node has no voxels, or its parent transform is not linear or shears the volume.
    """
    header = headerFromNode(volumeNode, beforeRegistration)
    return header.like(header.array.copy())


def headerFromNode(volumeNode: Any, beforeRegistration: bool = False) -> Volume:
    """Return a volume node in world coordinates without copying its voxels: valid as long as the node does not change.

    Raises:
        InputError: as `volumeFromNode`.
    """
    name = volumeNode.GetName()
    if volumeNode.GetImageData() is None or volumeNode.GetImageData().GetPointData().GetScalars() is None:
        raise InputError(_("{name} has no voxels. Load it again, or choose another volume.").format(name=name))
    if volumeNode.GetImageData().GetNumberOfScalarComponents() != 1:
        raise InputError(_("{name} has several values a voxel; a CT has one. Choose a CT volume.").format(name=name))
    if not isStraight(volumeNode, beforeRegistration):
        parent = parentOf(volumeNode, beforeRegistration)
        text = _("The axes of {name} are not at right angles: its gantry was tilted. Use a straightened copy.")
        if parent is not None:
            text = _("{name} lies under the transform {transform}, which bends or shears it. Use a straightened copy.")
        raise InputError(text.format(name=name, transform=parent.GetName() if parent is not None else ""))
    matrix = RAS_TO_LPS @ ijkToWorld(volumeNode, beforeRegistration)
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    direction = matrix[:3, :3] / spacing
    return Volume(
        array=slicer.util.arrayFromVolume(volumeNode),
        spacing=tuple(spacing),
        origin=tuple(matrix[:3, 3]),
        direction=direction,
        name=name,
        frame_of_reference=frameOfReference(volumeNode),
    )


def scanFromNode(volumeNode: Any, beforeRegistration: bool = False) -> Volume:
    """Return what `volumeFromNode` does, and which voxels are synthetic or no data.

    Raises:
        InputError: as `volumeFromNode`, or the node that marks synthetic slices is gone.
    """
    volume = volumeFromNode(volumeNode, beforeRegistration)
    isExpanded = originalOf(volumeNode) is not None
    synthetic = marks.syntheticArray(volumeNode) if isExpanded else sources.syntheticArray(volumeNode)
    noData = marks.noDataArray(volumeNode)
    if synthetic is None and noData is None:
        return volume
    provenance = np.full(volume.array.shape, Provenance.REAL, dtype=np.uint8)
    for where, kind in ((noData, Provenance.NO_DATA), (synthetic, Provenance.SYNTHETIC)):
        if where is not None:
            provenance[where > 0] = kind
    return replace(volume, provenance=provenance)


def problemOf(volumeNode: Any, beforeRegistration: bool = False) -> str | None:
    """Return why SSPE cannot work on a volume node, None where it can."""
    try:
        headerFromNode(volumeNode, beforeRegistration)
    except InputError as error:
        return str(error)
    return None


def fillGrownNode(grownNode: Any, inputNode: Any, array: NDArray[np.generic], offset: NDArray[np.int_]) -> None:
    """Fill a volume node with a grown volume (z, y, x) that starts at voxel `offset` (i, j, k) of the input.

    Display, parent transform and the local geometry are the input's: no number goes through world coordinates and back.
    """
    with slicer.util.NodeModify(grownNode):
        slicer.util.updateVolumeFromArray(grownNode, array)
        grownNode.SetIJKToRASMatrix(_movedGrid(inputNode, offset))
        putUnderTransformsOf(grownNode, inputNode)
        copyDisplay(inputNode, grownNode)
        grownNode.SetNodeReferenceID(ORIGINAL_ROLE, inputNode.GetID())


def _movedGrid(inputNode: Any, offset: NDArray[np.int_]) -> Any:
    ijkToRas = vtk.vtkMatrix4x4()
    inputNode.GetIJKToRASMatrix(ijkToRas)
    shift = np.eye(4)
    shift[:3, 3] = offset
    return slicer.util.vtkMatrixFromArray(slicer.util.arrayFromVTKMatrix(ijkToRas) @ shift)
