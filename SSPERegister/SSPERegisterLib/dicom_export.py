"""A registration, and the volume merged by it, as DICOM files in a new folder."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from numpy.typing import NDArray
from slicer.i18n import tr as _

from SSPELib.errors import InputError
from SSPELib.io.writing import Outputs, check_writable
from SSPELib.volume import Volume
from SSPELib.worker import job_volume
from SSPESlicer.jobs.background import Event
from SSPESlicer.scene import dicom, geometry, provenance, volumes
from SSPESlicer.scene.own_nodes import leavingNoDisplayNodes

from . import joined_nodes, placement

PACKAGES = ("pydicom", "highdicom")


def missingPackage() -> str | None:
    """Return the package that DICOM needs and this Python lacks, None where all are there."""
    return next((name for name in PACKAGES if importlib.util.find_spec(name) is None), None)


def whyNot(fixedNode: Any, movingNode: Any) -> str | None:
    """Return why the registration of two volumes cannot be written as DICOM, None where it can."""
    if fixedNode is None or movingNode is None or not placement.isPlaced(movingNode):
        return _("Register the moving volume first.")
    package = missingPackage()
    if package is not None:
        text = _(
            "DICOM needs the Python package {package}: run PythonSlicer -m pip install {package} in a terminal and "
            "restart Slicer."
        )
        return text.format(package=package)
    return None


@dataclass
class Exported:
    """The folder that was written, and what to heed."""

    folder: Path
    warnings: list[str] = field(default_factory=list)


class Export:
    """One export: what the background process needs for it, and the folder that comes of it.

    Raises:
        InputError: see `whyNot`; the folder is there already; or the merged volume is not of these two.
    """

    def __init__(
        self,
        folder: Path,
        fixedNode: Any,
        movingNode: Any,
        mergedVolume: Any,
        segmentations: Sequence[Any],
        tags: Mapping[str, str],
    ) -> None:
        reason = whyNot(fixedNode, movingNode)
        if reason is not None:
            raise InputError(reason)
        self.nodes = [provenance.originalOf(node) or node for node in (fixedNode, movingNode)]
        if mergedVolume is not None and not joined_nodes.isJoinedOf(mergedVolume, *self.nodes):
            text = _("{name} was not merged of these two volumes. Merge them again, or export without it.")
            raise InputError(text.format(name=mergedVolume.GetName()))
        check_writable(folder)
        if folder.exists():
            raise InputError(_("{folder} is there already. Choose a new folder.").format(folder=folder))
        self.folder, self._merged, self._tags = folder, mergedVolume, dict(tags)
        self._segmentations = list(segmentations)

    def job(self, seamMm: float) -> tuple[Event, dict[str, Any]]:
        """Return the job for the background process, and its files."""
        fixed, moving = self.nodes
        description: Event = {"task": "export", "matrix": _betweenScans(fixed, moving).tolist(), "seam_mm": seamMm}
        for role, node in (("fixed", fixed), ("moving", moving)):
            files = [str(path) for path in dicom.filesOf(node)]
            tags = {} if files else self._tags
            description[role] = {"files": files, "frame_of_reference": dicom.frameOfReference(node), "tags": tags}
        description |= {"merged": None, "reliable": None, "segmentations": []}
        if self._merged is None:
            return description, {}
        description["merged"], voxels = job_volume(_inFrameOf(self._merged, fixed), "merged")
        description |= joined_nodes.worthOf(self._merged)
        files: dict[str, Any] = dict(voxels)
        for number, node in enumerate(self._segmentations):
            labels, names = _labelsOn(self._merged, node)
            files[f"labels-{number}.npy"] = labels
            description["segmentations"].append(
                {"name": node.GetName(), "labels": f"labels-{number}.npy", "names": names}
            )
        return description, files

    def publish(self, written: Path) -> Exported:
        """Move what the background process has written into the folder, all at once."""
        with Outputs() as outputs:
            place = outputs.folder(self.folder)
            for file in sorted(written.iterdir()):
                shutil.move(str(file), str(place / file.name))
        return Exported(self.folder)


def freeFolder(parent: Path, fixedNode: Any, movingNode: Any) -> Path:
    """Return a folder for an export that is not there yet, named after the two volumes."""
    name = _("{moving} to {fixed}").format(moving=movingNode.GetName(), fixed=fixedNode.GetName())
    name = "".join(letter if letter.isalnum() or letter in " -_" else "_" for letter in name)
    folder, number = parent / f"{name} DICOM", 1
    while folder.exists():
        number += 1
        folder = parent / f"{name} DICOM {number}"
    return folder


def _labelsOn(volumeNode: Any, segmentationNode: Any) -> tuple[NDArray[np.uint16], dict[int, str]]:
    """The segments of a segmentation as labels (z, y, x) on the grid of a volume, and what each label is.

    Where segments overlap the later one counts.
    """
    labels = np.zeros(slicer.util.arrayFromVolume(volumeNode).shape, dtype=np.uint16)
    segmentation, names = segmentationNode.GetSegmentation(), {}
    for value in range(1, segmentation.GetNumberOfSegments() + 1):
        identifier = segmentation.GetNthSegmentID(value - 1)
        with leavingNoDisplayNodes():
            voxels = slicer.util.arrayFromSegmentBinaryLabelmap(segmentationNode, identifier, volumeNode)
        if voxels is not None:
            labels[voxels > 0] = value
        names[value] = segmentation.GetNthSegment(value - 1).GetName()
    return labels, names


def _betweenScans(fixedNode: Any, movingNode: Any) -> NDArray[np.float64]:
    """The matrix (4, 4), LPS mm, from points of the fixed scan to points of the moving one, as their scanners saw them.

    Parent transforms that the fixed volume has are no part of its frame of reference.
    """
    toMoving = np.linalg.inv(geometry.parentToWorld(movingNode)) @ geometry.parentToWorld(fixedNode)
    return geometry.RAS_TO_LPS @ toMoving @ geometry.RAS_TO_LPS


def _inFrameOf(mergedNode: Any, fixedNode: Any) -> Volume:
    """A merged volume in the coordinates of the fixed scan's own frame of reference.

    Raises:
        InputError: the fixed volume lies under a transform that shears or scales.
    """
    volume = volumes.scanFromNode(mergedNode)
    back = geometry.RAS_TO_LPS @ np.linalg.inv(geometry.parentToWorld(fixedNode)) @ geometry.RAS_TO_LPS
    if not np.allclose(back[:3, :3] @ back[:3, :3].T, np.eye(3), atol=1e-6):
        text = _("{name} lies under a transform that scales or shears it, so its merged volume cannot be written.")
        raise InputError(text.format(name=fixedNode.GetName()))
    matrix = back @ volume.index_to_lps
    return replace(
        volume,
        origin=(float(matrix[0, 3]), float(matrix[1, 3]), float(matrix[2, 3])),
        direction=back[:3, :3] @ volume.direction,
        frame_of_reference=dicom.frameOfReference(fixedNode),
    )
