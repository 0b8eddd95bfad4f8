"""From a training run to a model bundle, with figures measured on the validation volumes of its configuration."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from SSPELib.errors import InputError
from SSPELib.expansion.expander import Expander
from SSPELib.io.writing import make_folder
from SSPELib.model.bundle import ModelBundle, ModelCard, save_bundle
from SSPELib.progress import Progress, part, silent

from ..evaluation.expansion.hiding import ExpansionScore, error_by_distance, scores, summary
from . import checkpoint
from .config import TrainingConfig, read_config
from .preparing import data_root, find_volumes
from .run import CONFIG_FILE

DISTANCES_MM = (64.0, 128.0)
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
    state = checkpoint.read(run)
    if state is None:
        raise InputError(f"{run} holds no {checkpoint.LAST}; give the output folder of a training run.")
    config = read_config(run / CONFIG_FILE)
    card = _card(config, state)
    make_folder(folder)
    if measured:
        with TemporaryDirectory() as scratch:
            draft = save_bundle(Path(scratch), card, state["averaged"])
            held_out, results = _measure(config, draft, progress)
        card = _with_figures(card, held_out, error_by_distance(results))
    return save_bundle(folder, card, state["averaged"])


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


def _card(config: TrainingConfig, state: dict[str, Any]) -> ModelCard:
    scope, schedule = config.scope, config.schedule
    sources = [{**asdict(source), "volumes": len(state["volumes"][source.pattern])} for source in config.data.sources]
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
            "sources": sources,
            "volumes": sum(source["volumes"] for source in sources),
            "scope": list(scope.size),
            "iterations": state["iteration"],
            "batch": schedule.batch,
            "hours": round(state["seconds"] / 3600, 2),
            "started_from": "random weights" if config.initial_weights is None else config.initial_weights.name,
            "losses": asdict(config.losses),
            "augmentation": asdict(config.augmentation),
            "data_licenses": "; ".join(dict.fromkeys(source.license for source in config.data.sources)),
        },
        held_out={},
        limits=config.card.limits,
        license=config.card.license,
        research_use=RESEARCH_USE,
    )


def _with_figures(card: ModelCard, held_out: dict[str, Any], errors: list[tuple[float, float]]) -> ModelCard:
    rounded = tuple((distance, round(error, 1)) for distance, error in errors)
    return replace(card, held_out=held_out, error_by_distance=rounded)
