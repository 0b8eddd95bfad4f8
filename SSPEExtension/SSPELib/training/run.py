"""From a configuration file to a trained generator."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from lightning_fabric import Fabric

from ..bundle import build_generator
from ..networks.discriminator import PatchDiscriminator
from .config import DataSource, TrainingConfig, read_config
from .data import ScopeDataset, data_root, find_volumes, working_array
from .loop import Trainer, Validation


def train_from_file(path: Path) -> Path:
    """Train what a configuration describes, resuming where the output folder holds a checkpoint.

    Returns the folder with last.ckpt, losses.csv and validation.csv.

    Raises:
        InputError: the configuration or the data are not usable.
        TrainingDiverged: losses stayed non-finite.
    """
    config = read_config(path)
    folder = config.output if config.output.is_absolute() else path.parent / config.output
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, folder / "config.toml")
    fabric = Fabric(
        accelerator=config.accelerator, devices=config.devices, num_nodes=config.nodes, precision=config.precision
    )
    fabric.launch()
    fabric.seed_everything(config.seed)
    trainer = make_trainer(config, fabric, folder)
    checkpoint = folder / "last.ckpt"
    if checkpoint.exists():
        trainer.resume(checkpoint)
    elif config.initial_weights is not None:
        state = torch.load(config.initial_weights, map_location="cpu", weights_only=True)
        trainer.generator.load_state_dict(state)
        trainer.averaged.load_state_dict(state)
    cache = folder.parent / "cache"
    length = config.schedule.iterations * config.schedule.batch * fabric.world_size
    pairs = scope_pairs(config, config.data.sources, cache, length, augmented=True)
    validations = [
        Validation(
            source.pattern, scope_pairs(config, [source], cache, config.logging.validation_scopes, augmented=False)
        )
        for source in config.data.validation
    ]
    trainer.train(pairs, validations)
    return folder


def make_trainer(config: TrainingConfig, fabric: Fabric, folder: Path) -> Trainer:
    """Build the networks of a configuration and their trainer."""
    generator = build_generator(config.generator.architecture, config.scope.step, config.generator.arguments)
    discriminator = PatchDiscriminator(**config.discriminator.model_dump())
    return Trainer(config, fabric, generator, discriminator, folder)


def scope_pairs(
    config: TrainingConfig, sources: list[DataSource], cache: Path, length: int, augmented: bool
) -> ScopeDataset:
    """Load the volumes of some sources onto the working grid and cut scopes from them."""
    root = data_root()
    groups = [
        (source.weight, [working_array(p, config.scope.spacing_mm, cache) for p in find_volumes(source, root)])
        for source in sources
    ]
    tall_enough = [
        (weight, [v for v in volumes if v.shape[0] >= config.scope.step + config.scope.shortest_context])
        for weight, volumes in groups
    ]
    return ScopeDataset(
        tall_enough,
        config.scope,
        config.augmentation if augmented else None,
        config.seed + (not augmented),
        length,
        2**config.generator.depth,
    )
