"""From volumes and models to the files of an expansion benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from SSPELib.errors import InputError
from SSPELib.expansion.expander import Expander
from SSPELib.expansion.working_grid import to_working
from SSPELib.io import read_volume
from SSPELib.io.writing import Outputs, make_folder
from SSPELib.model.bundle import load_bundle
from SSPELib.progress import Progress, part, silent

from .cases import run, table
from .claims import claims
from .continuations import Continuation, Model, NearestPatient, RepeatedEdge
from .figure import draw_steps
from .hidden_case import common_frame
from .summary import markdown, step_curves


def compare(
    volumes: Sequence[Path],
    output: Path,
    *,
    models: Sequence[str | None],
    training: Sequence[str],
    distances_mm: Sequence[float],
    device: str,
    command: str,
    progress: Progress = silent,
) -> str:
    """Measure models and baselines on hidden slices; write expansion-cases.csv, expansion.md and expansion-error.png.

    Args:
        volumes: held-out volumes.
        output: folder of the results, made where it is missing.
        models: names or folders of bundles; None is the default one.
        training: patterns of the volumes that the nearest-patient baseline copies from; none leaves it out.
        distances_mm: how much is hidden.
        device: auto, cpu, cuda or mps.
        command: how to repeat this, for the report.
        progress: told of every case; may raise `Cancelled`.

    Returns:
        The report.

    Raises:
        InputError: a volume is not usable, all are too short, or a volume to be measured is a training volume.
    """
    make_folder(output)
    expanders = [Expander(load_bundle(name), device) for name in models]
    names = _names([expander.bundle.card.name for expander in expanders], models)
    frame = common_frame([expander.bundle.card for expander in expanders])
    ways: list[Continuation] = [Model(name, expander) for name, expander in zip(names, expanders, strict=True)]
    ways.append(RepeatedEdge(frame))
    if training:
        arrays = training_arrays(training, volumes, frame.spacing_mm, part(progress, 0.0, 0.1))
        ways.append(NearestPatient(arrays, frame))
    rows = run(volumes, ways, frame, distances_mm, part(progress, 0.1, 1.0))
    if not rows:
        raise InputError(f"No volume is long enough to hide {min(distances_mm):g} mm; choose a smaller distance.")
    report = "\n".join([markdown(rows, names, command), *claims(rows, names, f"{distances_mm[0]:g} mm")])
    with Outputs() as outputs:
        outputs.text(table(rows), output / "expansion-cases.csv")
        outputs.text(report, output / "expansion.md")
        curves = step_curves([row for row in rows if row.purpose == "steps"])
        draw_steps(curves, frame.step_mm, outputs.beside(output / "expansion-error.png"))
    return report


def training_arrays(
    patterns: Sequence[str], held_out: Sequence[Path], spacing_mm: float, progress: Progress
) -> list[NDArray[np.int16]]:
    """Training volumes (z, y, x) in HU, z toward the head, on the working grid.

    Raises:
        InputError: a pattern matches nothing, or a volume that is held out.
    """
    paths = [path for pattern in patterns for path in _matching(Path(pattern))]
    measured = {path.resolve() for path in held_out}
    arrays = []
    for number, path in enumerate(paths):
        progress(number / len(paths), path.name)
        if path.resolve() in measured:
            raise InputError(f"{path} is to be measured and to be copied from; leave it out of one of both.")
        arrays.append(np.rint(to_working(read_volume(path), spacing_mm, "inferior").array).astype(np.int16))
    return arrays


def _matching(pattern: Path) -> list[Path]:
    found = sorted(Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor))))
    if not found:
        raise InputError(f"No volume matches {pattern}; check the pattern.")
    return found


def _names(cards: Sequence[str], models: Sequence[str | None]) -> list[str]:
    """Names of the models by their cards, or as they were given where two cards have the same."""
    return list(cards) if len(set(cards)) == len(cards) else [str(model) for model in models]
