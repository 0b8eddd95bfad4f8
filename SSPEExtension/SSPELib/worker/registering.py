"""Registration jobs: a back end in Slicer, on the other side of the channel, and the result for the panel."""

from __future__ import annotations

from math import inf
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from ..errors import RegistrationError
from ..options import TransformType
from ..poses import matrix_of, to_transform
from ..progress import Progress
from ..registration import RefinementImages, Registration
from ..registration.confidence import judge
from .channel import Channel


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
        sitk.WriteTransform(to_transform(matrix_of(initial)), str(initial_path))
        progress(0.0, f"Refining on real voxels with {self.name}")
        answer = self._channel.ask(**files, initial=initial_path.name, transform_type=transform_type)
        if "error" in answer:
            # The registration goes on without a last refinement; the user is told why.
            self._channel.send("warning", message=answer["error"])
            raise RegistrationError(answer["error"])
        found = sitk.ReadTransform(str(self._folder / answer["transform"]))
        # What a text file rounds must not make a rigid result an affine one.
        return to_transform(matrix_of(found), transform_type)


def result_of(registration: Registration, folder: Path) -> dict[str, Any]:
    """Write the transform into the folder of the job, and return what the panel tells the clinician."""
    # Slicer reads an affine transform without conditions.
    sitk.WriteTransform(to_transform(matrix_of(registration.transform)), str(folder / "transform.tfm"))
    return {
        "transform": "transform.tfm",
        "transform_type": registration.transform_type,
        "start": registration.start,
        "backend": registration.backend,
        "overlap_mm": float(registration.overlap_mm),
        "synthetic_mm": registration.synthetic_mm,
        "metric": float(registration.metric),
        "metric_name": registration.metric_name,
        "error_sentence": registration.error_sentence,
        "expected_error_mm": float(registration.expected_error_mm),
        "error_bound_mm": float(registration.error_bound_mm),
        "junction_bound_mm": float(registration.junction.bound_mm),
        "far_end_bound_mm": float(registration.far_end.bound_mm),
        "reliable": bool(registration.reliable),
        # A result that fits no better than by chance is reliable at no tolerance.
        "reliable_from_mm": float(registration.error_bound_mm) if judge(registration.findings, inf).reliable else inf,
        "reasons": list(registration.reasons),
        "seconds": float(registration.seconds),
    }
