"""From a configuration and its prepared volumes to a trained generator."""

from __future__ import annotations

import json
import math
import pickle
from pathlib import Path

import torch

from SSPELib.errors import InputError

from . import checkpoint
from .config import SHIPPED, DataSource, TrainingConfig
from .loop import Trainer, Validation
from .machine import Machine, launched
from .scopes import ScopeSampler
from .volumes import PreparedVolumes

CONFIG_FILE = "config.json"


def train(config: TrainingConfig, prepared: PreparedVolumes, folder: Path, deadline: float = math.inf) -> bool:
    """Train what a configuration describes, resuming where the folder holds a checkpoint.

    Args:
        config: the run.
        prepared: its volumes on the working grid.
        folder: gets last.ckpt, losses.csv, validation.csv, samples, and all settings in config.json.
        deadline: when to stop, on the clock of time.monotonic(); the same call goes on later.

    Returns:
        Whether the run is complete.

    Raises:
        InputError: the volumes are not usable, or the folder cannot be written.
        DeviceError: the machine does not have the device.
        TrainingDiverged: losses stayed non-finite.
    """
    machine = launched(config)
    if machine.precision != config.precision:
        machine.say(f"This CPU computes {config.precision} many times slower than 32-true, which is used instead.")
    if machine.rank == 0:
        _begin_folder(folder, config)
    machine.wait()
    state = checkpoint.read(folder)
    names = {source.pattern: [one.name for one in prepared.of(source)] for source in config.data.sources}
    trainer = Trainer(config, machine, folder, names)
    if state is not None:
        trainer.resume(state)
    elif config.initial_weights is not None:
        _begin_with(config.initial_weights, trainer)
    sampler = make_sampler(config, config.data.sources, prepared, machine, augmented=True)
    validations = [
        Validation(source.pattern, make_sampler(config, (source,), prepared, machine, augmented=False))
        for source in config.data.validation
    ]
    return trainer.train(sampler, validations, deadline)


def make_sampler(
    config: TrainingConfig,
    sources: tuple[DataSource, ...],
    prepared: PreparedVolumes,
    machine: Machine,
    augmented: bool,
) -> ScopeSampler:
    """Put the volumes of some sources on the device, to cut scopes from them.

    Raises:
        InputError: the volumes are on another grid, or a source has none that is long enough.
    """
    if prepared.spacing_mm != config.scope.spacing_mm:
        raise InputError(
            f"The volumes were prepared on a grid of {prepared.spacing_mm:g} mm, but the configuration has "
            f"{config.scope.spacing_mm:g} mm; prepare them with this configuration."
        )
    return ScopeSampler(
        [(source.weight, prepared.of(source)) for source in sources],
        config.scope,
        config.augmentation if augmented else None,
        config.seed + (not augmented),
        machine.device,
        config.multiple,
    )


def output_folder(path: Path, config: TrainingConfig) -> Path:
    """Where the results of a configuration go: as it says, else runs/ and its name in the current folder."""
    if config.output is not None:
        return path.parent / config.output
    shipped = path.resolve().is_relative_to(SHIPPED)
    return Path("runs") / (path.resolve().relative_to(SHIPPED) if shipped else Path(path.name)).with_suffix("")


def _begin_folder(folder: Path, config: TrainingConfig) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / CONFIG_FILE).write_text(json.dumps(config.settings(), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{folder} cannot be made a folder of results ({error.strerror}); choose another.") from error


def _begin_with(weights: Path, trainer: Trainer) -> None:
    try:
        state = torch.load(weights, map_location="cpu", weights_only=True)
        trainer.game.generator.load_state_dict(state)
        trainer.game.averaged.load_state_dict(state)
    except (OSError, RuntimeError, TypeError, EOFError, pickle.UnpicklingError) as error:
        raise InputError(
            f"The initial weights {weights} are missing, damaged or of another network; correct initial_weights."
        ) from error
