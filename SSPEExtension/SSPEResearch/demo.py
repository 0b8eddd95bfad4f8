"""The demo: a real chest CT in two parts that share no slice, one of them moved, and both brought together again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import SimpleITK as sitk

from SSPELib import tasks
from SSPELib.io.writing import Outputs, make_folder
from SSPELib.options import RegisterOptions
from SSPELib.progress import Progress, part, silent
from SSPELib.tasks import Registered
from SSPELib.volume import Volume

from .evaluation.registration.attempt import attempt
from .evaluation.registration.cases import Case

OVERLAP_MM = 0.0
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
        done: registration with expansion.
        without: the same registration without expansion.
        brainsfit: what BRAINSFit's settings make of the pair, None where they find no overlap and stop.
    """

    case: Case
    done: Registered
    without: Registered
    brainsfit: sitk.Transform | None

    @property
    def errors_mm(self) -> dict[str, float | None]:
        """Mean distance over body points of the lower part from where they belong, mm; None for no result."""
        return {
            "start": self.case.start_error_mm,
            "brainsfit_settings": None if self.brainsfit is None else self.case.error_mm(self.brainsfit),
            "without_expansion": self.case.error_mm(self.without.registration.transform),
            "with_expansion": self.case.error_mm(self.done.registration.transform),
        }


def demonstrate(volume: Volume, progress: Progress = silent) -> Demonstration:
    """Cut a volume in two parts that share no slice, move the lower part, and find the way back.

    The lower part is moved by changing its origin and direction exactly, so its voxels are no less sharp than the
    upper part's and its grid is truly oblique; noise is drawn for each part on its own.

    Raises:
        InputError: the volume is too short.
    """
    from .evaluation.registration.cases import make_case
    from .evaluation.registration.systems import BRAINSFitSettings

    progress(0.0, "Cutting the CT in two")
    case = make_case(volume, OVERLAP_MM, SEED, scan="cut")
    progress(0.02, "BRAINSFit's settings")
    tried = attempt(BRAINSFitSettings(), case.fixed, case.moving, "near")
    options = RegisterOptions()
    without = tasks.register(
        case.fixed, case.moving, replace(options, expand=False), _staged(progress, 0.1, 0.4, "Without expansion")
    )
    done = tasks.register(case.fixed, case.moving, options, _staged(progress, 0.4, 0.98, "With expansion"))
    progress(1.0, "Done")
    return Demonstration(case, done, without, None if tried.answer is None else tried.answer.transform)


def write_demonstration(shown: Demonstration, folder: Path) -> None:
    """Write volumes, masks, transform, report and figure of a demo into a folder, which is made where it is missing.

    Raises:
        InputError: the folder cannot be written.
    """
    from SSPELib.report import Subject, summary_of
    from SSPELib.report.page import page_of
    from SSPELib.volume.resampling import resample_moving

    from .demo_figure import overview_of

    make_folder(folder)
    case, done, found = shown.case, shown.done, shown.done.registration
    places = {role: folder / name for role, name in FILES.items()}
    roles = {"fixed": "upper", "moving": "lower", "transform": "transform", "output": "registered"}
    files = {role: str(places[name]) for role, name in roles.items()}
    subject = Subject(done.fixed, done.moving, found, files, done.model, done.warnings)
    with Outputs() as outputs:
        outputs.image(case.fixed.to_image(), places["upper"])
        outputs.image(case.moving.to_image(), places["lower"])
        outputs.image(done.fixed.to_image(), places["upper_expanded"])
        outputs.image(done.moving.to_image(), places["lower_expanded"])
        outputs.image(done.fixed.provenance_image(), places["upper_synthetic"])
        outputs.image(done.moving.provenance_image(), places["lower_synthetic"])
        outputs.image(resample_moving(case.fixed, case.moving, found.transform).to_image(), places["registered"])
        outputs.transform(found.transform, places["transform"])
        outputs.transform(case.truth, places["truth"])
        outputs.text(summary_of(subject), places["report"])
        outputs.text(page_of(subject), places["page"])
        outputs.text(
            json.dumps({"overlap_mm": case.overlap_mm, "error_mm": shown.errors_mm}, indent=2), places["errors"]
        )
        outputs.beside(places["figure"]).write_bytes(overview_of(subject, shown.errors_mm))


def _staged(progress: Progress, start: float, stop: float, stage: str) -> Callable[[float, str], None]:
    inner = part(progress, start, stop)
    return lambda fraction, message: inner(fraction, f"{stage}: {message}")
