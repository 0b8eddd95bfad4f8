"""Pictures of an expansion benchmark: one patient as in the paper's Fig. 3, and error against distance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from SSPELib import colors
from SSPELib.errors import InputError
from SSPELib.expansion.expander import Expander
from SSPELib.expansion.working_grid import End
from SSPELib.io import read_volume
from SSPELib.io.writing import Outputs
from SSPELib.model.bundle import load_bundle
from SSPELib.progress import Progress, part, silent
from SSPELib.report.figures import draw_expansion, legend, panels
from SSPELib.report.views import shared_planes

from .hiding import hidden_body, hide, outward

BAND_MM = 8.0
DPI = 130


def draw_patient(
    path: Path,
    models: Sequence[str | None],
    end: End,
    steps: int,
    device: str,
    image: Path,
    curve: Path,
    progress: Progress = silent,
) -> None:
    """Draw the truth and what every model makes of a volume whose end is hidden, and the errors by distance.

    Synthetic slices are tinted and outlined. As many steps of the first model are hidden as the volume allows.

    Args:
        path: a volume.
        models: names or folders of bundles; None is the default one.
        end: the end that is hidden.
        steps: successive expansions, fewer where the volume is too short for them.
        device: auto, cpu, cuda or mps.
        image, curve: the files to write, .png or .svg.
        progress: told of every model; may raise `Cancelled`.

    Raises:
        InputError: the volume is too short for one step.
    """
    volume = read_volume(path)
    expanders = [Expander(load_bundle(name), device) for name in models]
    step_mm = expanders[0].bundle.card.step_mm
    distances = [count * step_mm for count in range(steps, 0, -1)]
    distance, hidden = next(
        ((mm, found) for mm in distances if (found := hide(volume, end, mm, "end")) is not None), (0.0, None)
    )
    if hidden is None:
        raise InputError(f"{path} is too short to hide one step of {step_mm:g} mm; choose a longer volume.")
    known, truth = hidden
    body = hidden_body(volume, truth, end, "end")
    coronal, sagittal = shared_planes([(volume, None)], volume)
    planes = (sagittal, coronal)
    names = [expander.bundle.card.name for expander in expanders]
    figure, axes = panels(planes, ["Ground truth", *names], width=2.6)
    repeated = np.broadcast_to(outward(known, end)[-1], truth.shape)
    curves = {"repeat the edge slice": np.abs(repeated.astype(np.float32) - truth)}
    for column, (name, expander) in enumerate([("", None), *zip(names, expanders, strict=True)]):
        expansion = volume
        if expander is not None:
            share = part(progress, (column - 1) / len(names), column / len(names))
            made, _ = expander.expand(known, end, distance, share)
            curves[name] = np.abs(outward(made, end)[-len(truth) :].astype(np.float32) - truth)
        for row, plane in enumerate(planes):
            draw_expansion(axes[row][column], plane, expansion if expander is None else made)
    legend(figure, [(colors.SYNTHETIC, f"synthetic, {distance / step_mm:.0f} successive expansions of {step_mm:g} mm")])
    spacing = (np.arange(len(truth)) + 0.5) * distance / len(truth)
    bands = (spacing // BAND_MM).astype(int)
    plot = Figure(figsize=(6, 4), layout="constrained")
    chart = plot.add_subplot(xlabel="distance from the edge, mm", ylabel="mean absolute error over the body, HU")
    for name, error in curves.items():
        inside = [(band, body & (bands == band)[:, None, None]) for band in np.unique(bands)]
        points = [((band + 0.5) * BAND_MM, float(error[mask].mean())) for band, mask in inside if mask.any()]
        chart.plot(*zip(*points, strict=True), "--" if name.startswith("repeat") else "-", label=name)
    chart.grid(alpha=0.3)
    chart.legend(fontsize=8)
    with Outputs() as outputs:
        figure.savefig(outputs.beside(image), dpi=DPI)
        plot.savefig(outputs.beside(curve), dpi=DPI)


def draw_steps(curves: Mapping[str, Sequence[tuple[float, int]]], step_mm: float, path: Path) -> None:
    """Mean body error in HU of every system against the distance of the middle of each step."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    chart = figure.add_subplot(xlabel="distance from the edge, mm", ylabel="mean absolute error over the body, HU")
    for name, curve in curves.items():
        points = [((step + 0.5) * step_mm, error) for step, (error, count) in enumerate(curve) if count]
        chart.plot(*zip(*points, strict=True), "o-", label=name)
    chart.grid(alpha=0.3)
    if curves:
        chart.legend(fontsize=8)
    figure.savefig(path, dpi=DPI)
