"""The demo: a real chest CT cut in two with 20 mm of overlap, one part moved, and both brought together again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from SSPELib.io import read_volume
from SSPELib.io.writing import Outputs, make_folder
from SSPELib.progress import Progress, part, silent
from SSPELib.volume import Volume, check_ct

if TYPE_CHECKING:
    from SSPELib.expansion.expander import Expander, Expansion
    from SSPELib.registration import Registration

    from .evaluation.registration.cases import Case

OVERLAP_MM = 20.0
SEED = 4
FILES = {
    "upper": "upper.nii.gz",
    "lower": "lower.nii.gz",
    "upper_expanded": "upper_expanded.nii.gz",
    "lower_expanded": "lower_expanded.nii.gz",
    "upper_synthetic": "upper_synthetic.nii.gz",
    "lower_synthetic": "lower_synthetic.nii.gz",
    "transform": "transform.tfm",
    "truth": "truth.tfm",
    "registered": "lower_registered.nii.gz",
    "report": "report.json",
    "page": "report.html",
    "figure": "demo.png",
    "errors": "errors.json",
}


@dataclass(frozen=True, eq=False)
class Demonstration:
    """What the demo found.

    Attributes:
        case: the two parts and the truth; the upper part is fixed, the lower one moving.
        upper, lower: the expansions.
        without: registration of the parts as they are.
        found: registration of the expansions.
    """

    case: Case
    upper: Expansion
    lower: Expansion
    without: Registration
    found: Registration

    @property
    def errors_mm(self) -> dict[str, float]:
        """Mean distance over body points of the lower part from where they belong, mm."""
        return {
            "start": self.case.start_error_mm,
            "without_expansion": self.case.error_mm(self.without.transform),
            "with_expansion": self.case.error_mm(self.found.transform),
        }


def demonstrate(volume: Volume, expander: Expander, progress: Progress = silent) -> Demonstration:
    """Cut a volume in two, move the lower part, and find the way back.

    The lower part is moved by changing its origin and direction exactly, so its voxels are no less sharp than the
    upper part's and its grid is truly oblique; that no score rests on identical voxels is seen to by noise that is
    drawn for each part on its own.

    Raises:
        InputError: the volume is too short.
    """
    from SSPELib.registration import expand_toward, register

    from .evaluation.registration.cases import make_case

    progress(0.0, "Cutting the CT in two")
    case = make_case(volume, OVERLAP_MM, SEED, scan="cut")
    without = register(
        case.fixed, case.moving, transform_type="rigid", progress=_staged(progress, 0.02, 0.4, "Without expansion")
    )
    upper, lower = expand_toward(case.fixed, case.moving, expander, progress=_staged(progress, 0.4, 0.58, "Expanding"))
    found = register(upper, lower, transform_type="rigid", progress=_staged(progress, 0.58, 0.98, "With expansion"))
    progress(1.0, "Done")
    return Demonstration(case, upper, lower, without, found)


def write_demonstration(shown: Demonstration, folder: Path, model: str | None) -> None:
    """Write volumes, masks, transform, report and figure of a demo into a folder, which is made where it is missing.

    Raises:
        InputError: the folder cannot be written.
    """
    from SSPELib.report import Subject, overview_of, page_of, summary_of
    from SSPELib.volume.resampling import resample_moving

    make_folder(folder)
    case, found = shown.case, shown.found
    places = {role: folder / name for role, name in FILES.items()}
    subject = Subject(
        fixed=shown.upper,
        moving=shown.lower,
        registration=found,
        files={
            "fixed": str(places["upper"]),
            "moving": str(places["lower"]),
            "transform": str(places["transform"]),
            "output": str(places["registered"]),
        },
        model=model,
        warnings=found.warnings,
    )
    with Outputs() as outputs:
        outputs.image(case.fixed.to_image(), places["upper"])
        outputs.image(case.moving.to_image(), places["lower"])
        outputs.image(shown.upper.volume.to_image(), places["upper_expanded"])
        outputs.image(shown.lower.volume.to_image(), places["lower_expanded"])
        outputs.image(shown.upper.mask_image(), places["upper_synthetic"])
        outputs.image(shown.lower.mask_image(), places["lower_synthetic"])
        outputs.image(resample_moving(case.fixed, case.moving, found.transform).to_image(), places["registered"])
        outputs.transform(found.transform, places["transform"])
        outputs.transform(case.truth, places["truth"])
        outputs.text(summary_of(subject), places["report"])
        outputs.text(page_of(subject), places["page"])
        outputs.text(
            json.dumps({"overlap_mm": case.overlap_mm, "error_mm": shown.errors_mm}, indent=2), places["errors"]
        )
        outputs.beside(places["figure"]).write_bytes(overview_of(subject, shown.errors_mm))


def read_demo_ct(path: Path) -> Volume:
    """Read the CT of the demo and check it like any other.

    Raises:
        InputError: it is no CT.
    """
    volume = read_volume(path)
    check_ct(volume)
    return volume


def _staged(progress: Progress, start: float, stop: float, stage: str) -> Callable[[float, str], None]:
    inner = part(progress, start, stop)
    return lambda fraction, message: inner(fraction, f"{stage}: {message}")
