"""Registration jobs, with a back end that may live in Slicer, on the other side of the channel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..errors import RegistrationError
from ..expansion.expander import Expander, Expansion
from ..progress import Progress, part
from ..registration import Backend, RefinementImages, Registration, SimpleITKBackend, expand_toward, register
from ..registration.poses import Matrix, from_transform, to_transform
from ..registration.result import TransformType
from ..volume import Volume
from .channel import Channel
from .description import read_job_volume

EXPANSION_SHARE = 0.4


class RemoteBackend:
    """Hands the last refinement to Slicer (BRAINSFit there) and takes the transform back, through files."""

    def __init__(self, name: str, folder: Path, channel: Channel) -> None:
        self.name = name
        self._folder, self._channel = folder, channel

    def refine(
        self, images: RefinementImages, initial: sitk.Transform, transform_type: TransformType, progress: Progress
    ) -> sitk.Transform:
        """See `Backend.refine`."""
        files = {role: f"refine-{role}.nrrd" for role in ("fixed", "moving", "fixed_mask", "moving_mask")}
        for role, file in files.items():
            sitk.WriteImage(getattr(images, role), str(self._folder / file))
        initial_path = self._folder / "refine-initial.tfm"
        sitk.WriteTransform(_plain(from_transform(initial), "affine"), str(initial_path))
        progress(0.0, f"Refining on real voxels with {self.name}")
        answer = self._channel.ask(**files, initial=initial_path.name, transform_type=transform_type)
        if "error" in answer:
            # The registration goes on without a last refinement; the user is told why.
            self._channel.send("warning", message=answer["error"])
            raise RegistrationError(answer["error"])
        found = sitk.ReadTransform(str(self._folder / answer["transform"]))
        # What a text file rounds must not make a rigid result an affine one.
        return _plain(from_transform(found), transform_type)


def register_job(
    job: dict[str, Any], originals: list[Volume], expander: Expander | None, folder: Path, channel: Channel
) -> dict[str, Any]:
    """Register the two volumes of a job; with an expander, those that are not expanded yet are expanded first."""
    start: Any = job["start"]
    if job.get("start_transform"):
        start = sitk.ReadTransform(str(folder / job["start_transform"]))
    sides = [_side(job[role], original, folder) for role, original in zip(("fixed", "moving"), originals, strict=True)]
    share = 0.0
    if expander is not None and not all(isinstance(side, Expansion) for side in sides):
        share = EXPANSION_SHARE
        fixed, moving = originals
        grown = expand_toward(fixed, moving, expander, job["distance_mm"], start, part(channel.progress, 0.0, share))
        sides = [side if isinstance(side, Expansion) else new for side, new in zip(sides, grown, strict=True)]
    backend: Backend = SimpleITKBackend()
    if job["backend"] == "brainsfit":
        backend = RemoteBackend("BRAINSFit", folder, channel)
    result = register(
        sides[0],
        sides[1],
        start=start,
        transform_type=job["transform_type"],
        backend=backend,
        progress=part(channel.progress, share, 1.0),
    )
    # Slicer reads an affine transform without conditions.
    sitk.WriteTransform(_plain(from_transform(result.transform), "affine"), str(folder / "transform.tfm"))
    for warning in result.warnings:
        channel.send("warning", message=warning)
    return {"transform": "transform.tfm", **summary(result)}


def _side(description: dict[str, Any], original: Volume, folder: Path) -> Volume | Expansion:
    """A side of the registration: a volume, or the expansion of one that was made before."""
    if "original" not in description:
        return original
    synthetic = np.load(folder / description["synthetic_file"])
    volume = read_job_volume(description, folder)
    return Expansion(volume, synthetic, original, description["synthetic_mm"], ())


def summary(result: Registration) -> dict[str, Any]:
    """What the panel tells the clinician."""
    return {
        "transform_type": result.transform_type,
        "start": result.start,
        "backend": result.backend,
        "overlap_mm": float(result.overlap_mm),
        "synthetic_mm": result.synthetic_mm,
        "metric": float(result.metric),
        "metric_name": result.metric_name,
        "confidence": float(result.confidence),
        "reliable": bool(result.reliable),
        "reasons": list(result.reasons),
        "seconds": float(result.seconds),
    }


def _plain(pose: Matrix, kind: TransformType) -> sitk.Transform:
    return to_transform(pose, kind, np.zeros(3))
