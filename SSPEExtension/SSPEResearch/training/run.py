"""From a configuration file to a trained generator."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import tomli_w
import torch
from lightning_fabric import Fabric

from SSPELib.errors import DeviceError, InputError
from SSPELib.io.writing import Outputs, make_folder
from SSPELib.model.bundle import build_generator
from SSPELib.model.device import choose_device, computes_bf16
from SSPELib.model.networks.discriminator import PatchDiscriminator

from .config import SHIPPED, DataSource, Precision, TrainingConfig, read_config
from .data import ScopeDataset, data_root, find_volumes, working_array
from .loop import Trainer, Validation


def train_from_file(path: Path, output: Path | None = None) -> Path:
    """Train what a configuration describes, resuming where the output folder holds a checkpoint.

    Args:
        path: the configuration.
        output: folder of the results, instead of the one that the configuration names.

    Returns:
        The folder with last.ckpt, losses.csv, validation.csv, and all settings, defaults included, in config.toml.

    Raises:
        InputError: the configuration or the data are not usable, or the folder cannot be written.
        DeviceError: the machine does not have the devices of the configuration.
        TrainingDiverged: losses stayed non-finite.
    """
    config = read_config(path)
    folder = output or output_folder(path, config)
    fabric = launched_fabric(config)
    fabric.seed_everything(config.seed)
    if usable_precision(config) != config.precision:
        fabric.print(f"This CPU computes {config.precision} many times slower than 32-true, which is used instead.")
    if fabric.global_rank == 0:
        make_folder(folder)
        # TOML cannot say None, which is the default wherever it may stand.
        settings = config.model_dump(mode="json", exclude_none=True)
        with Outputs() as outputs:
            outputs.text(tomli_w.dumps(settings), folder / "config.toml")
    fabric.barrier()
    trainer = make_trainer(config, fabric, folder)
    checkpoint = folder / "last.ckpt"
    if checkpoint.exists():
        trainer.resume(checkpoint)
    elif config.initial_weights is not None:
        _begin_with(config.initial_weights, trainer)
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


def _begin_with(weights: Path, trainer: Trainer) -> None:
    try:
        state = torch.load(weights, map_location="cpu", weights_only=True)
        trainer.generator.load_state_dict(state)
        trainer.averaged.load_state_dict(state)
    except (OSError, RuntimeError, TypeError, EOFError, pickle.UnpicklingError) as error:
        raise InputError(
            f"The initial weights {weights} are missing, damaged or of another network; correct initial_weights."
        ) from error


def output_folder(path: Path, config: TrainingConfig) -> Path:
    """Where the results of a configuration go: as it says, else runs/ and its name in the current folder."""
    if config.output is not None:
        return path.parent / config.output
    shipped = path.resolve().is_relative_to(SHIPPED)
    return Path("runs") / (path.resolve().relative_to(SHIPPED) if shipped else Path(path.name)).with_suffix("")


def launched_fabric(config: TrainingConfig) -> Fabric:
    """Devices, processes and precision of a run; under torchrun or `fabric run` the processes that those started.

    Raises:
        DeviceError: the machine does not have the devices.
    """
    try:
        fabric = Fabric(
            accelerator=config.accelerator,
            devices=int(os.environ.get("LOCAL_WORLD_SIZE", 0)) or config.devices,
            num_nodes=int(os.environ.get("GROUP_WORLD_SIZE", 0)) or config.nodes,
            precision=usable_precision(config),
        )
    except (RuntimeError, ValueError) as error:
        raise DeviceError(
            f"This computer does not have accelerator {config.accelerator!r} with devices {config.devices!r}; set both "
            f"to 'auto' ({error})."
        ) from error
    # What `fabric run` starts is launched already, and Fabric refuses to do it again.
    if os.environ.get("LT_CLI_USED") != "1":
        fabric.launch()
    return fabric


def usable_precision(config: TrainingConfig) -> Precision:
    """The precision of a configuration; 32-true where a CPU without the instructions for bf16 would imitate it."""
    on_cpu = config.accelerator == "cpu" or (config.accelerator == "auto" and choose_device("auto")[0].type == "cpu")
    if not on_cpu or config.precision == "32-true" or computes_bf16():
        return config.precision
    return "32-true"


def make_trainer(config: TrainingConfig, fabric: Fabric, folder: Path) -> Trainer:
    """Build the networks of a configuration and their trainer."""
    generator = build_generator(config.generator.architecture, config.scope.step, config.generator.arguments)
    generator.activation_checkpointing = config.activation_checkpointing
    discriminator = PatchDiscriminator(**config.discriminator.model_dump())
    return Trainer(config, fabric, generator, discriminator, folder)


def scope_pairs(
    config: TrainingConfig, sources: list[DataSource], cache: Path, length: int, augmented: bool
) -> ScopeDataset:
    """Load the volumes of some sources onto the working grid and cut scopes from them.

    Raises:
        InputError: a source has no volume, one that cannot be used, or none that is long enough.
    """
    root = data_root()
    groups = [
        (source.weight, [working_array(p, config.scope.spacing_mm, cache) for p in find_volumes(source, root)])
        for source in sources
    ]
    least = config.scope.step + config.scope.shortest_context
    tall_enough = [(weight, [v for v in volumes if v.shape[0] >= least]) for weight, volumes in groups]
    for source, (_, volumes) in zip(sources, tall_enough, strict=True):
        if not volumes:
            raise InputError(
                f"No volume that matches {source.pattern} is as long as a step and the shortest context, "
                f"{least * config.scope.spacing_mm:.0f} mm; give longer ones or lower scope.shortest_context."
            )
    return ScopeDataset(
        tall_enough,
        config.scope,
        config.augmentation if augmented else None,
        config.seed + (not augmented),
        length,
        2**config.generator.depth,
    )
