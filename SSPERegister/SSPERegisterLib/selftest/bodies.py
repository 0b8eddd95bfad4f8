"""What the self-tests of SSPE Register need: a known motion, a body that made it, landmarks, an expanded volume."""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer
from numpy.typing import NDArray

from SSPELib.volume import Volume
from SSPESlicer.scene import geometry, marks, provenance, volumes


def knownMotion() -> sitk.VersorRigid3DTransform:
    """Fixed points to moving points: 6 degrees and about 25 mm."""
    motion = sitk.VersorRigid3DTransform()
    motion.SetRotation((0.3, 0.2, 0.93), float(np.radians(6)))
    motion.SetTranslation((14.0, -9.0, 18.0))
    return motion


def moved(volume: Volume, motion: sitk.Transform) -> Volume:
    """The same body after it moved: only its geometry changes."""
    matrix = np.array(motion.GetMatrix()).reshape(3, 3)
    return Volume(volume.array, volume.spacing, motion.TransformPoint(volume.origin), matrix @ volume.direction)


def meanErrorMm(movingNode: Any, truth: Volume) -> float:
    """Mean distance of the corners of a placed volume from where they belong."""
    width, height, depth = truth.size
    corners = np.array([[i, j, k, 1.0] for i in (0, width) for j in (0, height) for k in (0, depth)])
    now: NDArray[np.float64] = geometry.RAS_TO_LPS @ geometry.ijkToWorld(movingNode)
    return float(np.linalg.norm(corners @ (now - truth.index_to_lps).T, axis=1).mean())


def pointList(name: str, points: NDArray[np.float64]) -> Any:
    """A list of landmarks at points (n, 3), RAS mm."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", name)
    slicer.util.updateMarkupsControlPointsFromArray(node, points)
    return node


def expandedBy(originalNode: Any, count: int) -> Any:
    """A node as SSPE Expand makes it, grown toward the head by repeating the last slice."""
    array = slicer.util.arrayFromVolume(originalNode)
    grown = np.concatenate([array, np.repeat(array[-1:], count, axis=0)])
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", f"{originalNode.GetName()} expanded")
    volumes.fillGrownNode(node, originalNode, grown, np.zeros(3, dtype=int))
    synthetic = np.zeros(grown.shape, dtype=np.uint8)
    synthetic[len(array) :] = 1
    marks.mark(node, synthetic, "segmentation")
    node.SetAttribute(provenance.SUPERIOR_ATTRIBUTE, f"{count * originalNode.GetSpacing()[2]:g}")
    node.SetAttribute(provenance.INFERIOR_ATTRIBUTE, "0")
    return node
