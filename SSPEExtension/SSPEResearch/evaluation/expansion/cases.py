"""Figures of every way to continue every case, one row each."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

from SSPELib.io import read_volume
from SSPELib.progress import Progress, silent

from .continuations import Continuation
from .hidden_case import Frame, HiddenCase, make_cases
from .texture import gradient_magnitude, patch_distance

WINDOW_HU = (-1000.0, 2000.0)
GRAY = 255.0
MOST_STEPS = 4
SSIM_WINDOW = 7
NAN = float("nan")


@dataclass(frozen=True)
class Row:
    """One way to continue one case.

    Attributes:
        patient: name of the volume.
        purpose: hidden length, or "steps" for the longest that the volume allows, up to four steps.
        end, cut: which end, and where it was cut.
        system: name of the way.
        mae, psnr, rmse, ssim: over the whole next scope on the working grid, [0, 255], as in the paper's Table 1.
        body_mae_hu: mean absolute error over body voxels of the hidden slices, own grid, HU.
        new_ssim: SSIM of the hidden slices, own grid, [0, 255], within the box around the body.
        step_1 to step_4: body_mae_hu of every step; NaN beyond the hidden ones.
        region: region of the body that most of the hidden slices show.
        patches: distance of the patches of the hidden slices from the truth's, own grid, HU.
        gradient: mean gradient magnitude over body voxels of the hidden slices over that of the truth, own grid.
        gradient_1 to gradient_4: the same of every step.
    """

    patient: str
    purpose: str
    end: str
    cut: str
    system: str
    mae: float
    psnr: float
    rmse: float
    ssim: float
    body_mae_hu: float
    new_ssim: float
    step_1: float
    step_2: float
    step_3: float
    step_4: float
    region: str = ""
    patches: float = NAN
    gradient: float = NAN
    gradient_1: float = NAN
    gradient_2: float = NAN
    gradient_3: float = NAN
    gradient_4: float = NAN

    @property
    def case(self) -> tuple[str, str, str]:
        """What was to be continued: patient, end and cut."""
        return self.patient, self.end, self.cut

    @property
    def steps(self) -> tuple[float, ...]:
        """Errors of the steps, HU."""
        return self.step_1, self.step_2, self.step_3, self.step_4

    @property
    def gradients(self) -> tuple[float, ...]:
        """Gradients of the steps over the truth's."""
        return self.gradient_1, self.gradient_2, self.gradient_3, self.gradient_4


COLUMNS = tuple(field.name for field in fields(Row))


def measure(case: HiddenCase, purpose: str, continuation: Continuation, frame: Frame) -> Row:
    """All figures of one way to continue one case."""
    scope, following = to_gray(continuation.next_scope(case)), to_gray(case.following)
    squared = float(mean_squared_error(following, scope))
    new = continuation.new_slices(case).astype(np.float32)
    error = np.abs(new - case.truth)
    # Hidden lengths are rounded up to whole slices, which must not begin a further step.
    last = max(0, int(len(new) * case.spacing_mm / frame.step_mm + 1e-6) - 1)
    step = ((np.arange(len(new)) + 0.5) * case.spacing_mm // frame.step_mm).astype(int).clip(max=last)
    slopes = [gradient_magnitude(slices, case.spacings_mm) for slices in (new, case.truth)]
    steps, gradients = [], []
    for number in range(MOST_STEPS):
        inside = case.body & (step == number)[:, None, None]
        steps.append(float(error[inside].mean()) if inside.any() else NAN)
        gradients.append(_ratio(slopes, inside))
    return Row(
        case.name,
        purpose,
        case.end,
        case.cut,
        continuation.name,
        float(np.abs(scope - following).mean()),
        float(peak_signal_noise_ratio(following, scope, data_range=GRAY)) if squared > 0 else float("inf"),
        float(np.sqrt(squared)),
        similarity(following, scope),
        float(error[case.body].mean()),
        similarity(*(to_gray(part[_box(case.body)]) for part in (case.truth, new))),
        step_1=steps[0],
        step_2=steps[1],
        step_3=steps[2],
        step_4=steps[3],
        region=case.region,
        patches=patch_distance(new, case.truth, case.body),
        gradient=_ratio(slopes, case.body),
        gradient_1=gradients[0],
        gradient_2=gradients[1],
        gradient_3=gradients[2],
        gradient_4=gradients[3],
    )


def to_gray(array: NDArray[Any]) -> NDArray[np.float32]:
    """HU of the window (-1000 to 2000) scaled to [0, 255]."""
    low, high = WINDOW_HU
    gray = (np.clip(array.astype(np.float32), low, high) - low) * (GRAY / (high - low))
    return np.asarray(gray, dtype=np.float32)


def similarity(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Structural similarity in 3-D of [0, 255]; the window is 7 voxels wide, less where fewer slices are there."""
    narrowest = min(one.shape)
    window = min(SSIM_WINDOW, narrowest - 1 + narrowest % 2)
    return float(structural_similarity(one, other, data_range=GRAY, win_size=window)) if window >= 3 else NAN


def run(
    paths: Sequence[Path],
    continuations: Sequence[Continuation],
    frame: Frame,
    distances_mm: Sequence[float],
    progress: Progress = silent,
) -> list[Row]:
    """Measure all ways on all cases of all volumes; a file may be named like one in another folder."""
    rows: list[Row] = []
    names = patient_names(paths)
    for number, path in enumerate(paths):
        volume = read_volume(path)
        for purpose, case in make_cases(volume, names[number], frame, distances_mm, MOST_STEPS):
            for continuation in continuations:
                progress(number / len(paths), f"{names[number]}, {purpose}, {continuation.name}")
                rows.append(measure(case, purpose, continuation, frame))
    return rows


def patient_names(paths: Sequence[Path]) -> list[str]:
    """File names without suffix, or whole paths where two are the same."""
    names = [path.name.split(".")[0] for path in paths]
    return names if len(set(names)) == len(names) else [str(path) for path in paths]


def table(rows: Sequence[Row]) -> str:
    """All rows as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        values = [getattr(row, name) for name in COLUMNS]
        writer.writerow([f"{value:.4f}" if isinstance(value, float) else value for value in values])
    return text.getvalue()


def _ratio(slopes: Sequence[NDArray[np.float32]], inside: NDArray[np.bool_]) -> float:
    """Mean of the first over that of the second, within a mask."""
    first, second = (float(slope[inside].mean()) if inside.any() else NAN for slope in slopes)
    return first / second if second > 0 else NAN


def _box(body: NDArray[np.bool_]) -> tuple[slice, ...]:
    """All slices, and the rows and columns around the body."""
    spans = [np.flatnonzero(body.any(axis=tuple(other for other in range(3) if other != axis))) for axis in (1, 2)]
    return (slice(None), *(slice(int(span[0]), int(span[-1]) + 1) for span in spans))
