"""From a training run to a model bundle, with figures measured on the validation volumes of its configuration."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from SSPELib.errors import InputError
from SSPELib.expansion.expander import Expander
from SSPELib.io.writing import make_folder
from SSPELib.model.bundle import ModelBundle, ModelCard, save_bundle
from SSPELib.progress import Progress, part, silent

from ..evaluation.expansion.hiding import ExpansionScore, error_by_distance, scores, summary
from .config import TrainingConfig, read_config
from .data import data_root, find_volumes

DISTANCES_MM = (64.0, 128.0)
LIMITS = (
    "Seen in training: heads and necks down to the upper chest of adults (radiotherapy planning CT), and chests and "
    "abdomens of few people. Not seen: legs, children, metal implants other than dental, many contrast phases. "
    "Slices near the edge are plausible, farther ones are the likely mean of what anatomy could follow."
)
RESEARCH_USE = "Research use only. No medical device; synthetic slices must not be read for diagnosis."


def bundle_run(run: Path, folder: Path, progress: Progress = silent, measured: bool = True) -> ModelBundle:
    """Write the averaged generator of a run as a bundle.

    Args:
        run: output folder of a training.
        folder: where the bundle goes.
        progress: told of the measuring.
        measured: whether the card gets figures on the validation volumes, which takes minutes.

    Raises:
        InputError: the run has no checkpoint or no configuration, or the folder cannot be written.
    """
    checkpoint = run / "last.ckpt"
    if not checkpoint.is_file():
        raise InputError(f"{run} holds no last.ckpt; give the output folder of a training run.")
    config = read_config(run / "config.toml")
    saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
    card = _card(config, saved["iteration"], _hours(run))
    make_folder(folder)
    if measured:
        with TemporaryDirectory() as scratch:
            draft = save_bundle(Path(scratch), card, saved["averaged"])
            held_out, results = _measure(config, draft, progress)
        card = _with_figures(card, held_out, error_by_distance(results))
    return save_bundle(folder, card, saved["averaged"])


def _measure(
    config: TrainingConfig, bundle: ModelBundle, progress: Progress
) -> tuple[dict[str, Any], list[ExpansionScore]]:
    expander = Expander(bundle, "cpu")
    jobs = [(source, distance) for source in config.data.validation for distance in DISTANCES_MM]
    held_out: dict[str, Any] = {}
    everything: list[ExpansionScore] = []
    for number, (source, distance) in enumerate(jobs):
        share = part(progress, number / len(jobs), (number + 1) / len(jobs))
        results = scores(find_volumes(source, data_root()), expander, distance, ("end", "middle"), share)
        if results:
            figures = {name: round(value, 3) for name, value in summary(results).items()}
            held_out[f"{source.pattern}, {distance:.0f} mm"] = figures
            everything += results
    return held_out, everything


def _hours(run: Path) -> float:
    """How long a run took, from the pace in its log.

    Raises:
        InputError: there is no log.
    """
    log = run / "losses.csv"
    if not log.is_file():
        raise InputError(f"{run} holds no losses.csv, which says how long the training took; restore it.")
    with log.open(newline="", encoding="utf-8") as file:
        last = list(csv.DictReader(file))[-1]
    return float(last["seconds_per_iteration"]) * int(last["iteration"]) / 3600


def _card(config: TrainingConfig, iterations: int, hours: float) -> ModelCard:
    scope = config.scope
    return ModelCard(
        name=config.name,
        architecture=config.generator.architecture,
        arguments=config.generator.arguments,
        spacing_mm=scope.spacing_mm,
        scope=(scope.size[0], *(scope.plane_in_use or scope.size[1:])),
        step=scope.step,
        window_hu=scope.window_hu,
        weights_sha256="",
        error_by_distance=(),
        training={
            "sources": [source.model_dump() for source in config.data.sources],
            "volumes": sum(len(find_volumes(source, data_root())) for source in config.data.sources),
            "scope": list(scope.size),
            "iterations": iterations,
            "hours": round(hours, 1),
            "started_from": "random weights" if config.initial_weights is None else config.initial_weights.name,
            "losses": config.losses.model_dump(),
            "data_licenses": "OpenKBP (MIT); TCIA collections (CC BY 3.0 and 4.0); matRad (CORT)",
        },
        held_out={},
        limits=LIMITS,
        license="Apache-2.0",
        research_use=RESEARCH_USE,
    )


def _with_figures(card: ModelCard, held_out: dict[str, Any], errors: list[tuple[float, float]]) -> ModelCard:
    rounded = tuple((distance, round(error, 1)) for distance, error in errors)
    return replace(card, held_out=held_out, error_by_distance=rounded)
