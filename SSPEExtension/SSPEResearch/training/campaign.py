"""A campaign: several trainings with budgets in minutes, done in pieces that end by themselves and go on later."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from SSPELib.errors import InputError

from . import checkpoint
from .config import TrainingConfig, find_config, read_config
from .run import train
from .settings import read_file, read_section, setting
from .volumes import PreparedVolumes

SHIPPED = Path(__file__).parent / "campaigns"
SHORTEST_PIECE_S = 20.0


@dataclass(frozen=True)
class Stage:
    """One training of a campaign.

    Attributes:
        config: name of a shipped configuration, or a path from the campaign's folder.
        minutes: its budget; validation, compilation and starting do not count.
        name: folder of its results, that of the configuration by default.
    """

    config: str
    minutes: float = setting(above=0)
    name: str = ""


@dataclass(frozen=True)
class Campaign:
    """Trainings in their order.

    Attributes:
        stages: the trainings.
        settings: what they have in common beside their configurations.
    """

    stages: tuple[Stage, ...] = setting(least=1)
    settings: dict[str, Any] = field(default_factory=dict)


def find_campaign(name_or_path: str) -> Path:
    """Find a campaign: a shipped one by its name, any other by its path.

    Raises:
        InputError: it is neither.
    """
    for path in (Path(name_or_path), SHIPPED / f"{name_or_path}.toml"):
        if path.is_file():
            return path
    known = ", ".join(sorted(path.stem for path in SHIPPED.glob("*.toml")))
    raise InputError(f"{name_or_path} is neither a file nor a shipped campaign; give a .toml file or one of: {known}.")


def stages(path: Path) -> dict[str, TrainingConfig]:
    """The configurations of a campaign by the names of their folders.

    Raises:
        InputError: the campaign or a configuration is not usable, or two stages have the same name.
    """
    try:
        campaign = read_section(Campaign, read_file(path))
    except InputError as error:
        raise InputError(f"The campaign {path} is not usable: {error}. Correct it.") from error
    found: dict[str, TrainingConfig] = {}
    for stage in campaign.stages:
        beside = path.parent / stage.config
        config = read_config(beside if beside.is_file() else find_config(stage.config), campaign.settings)
        config = config.with_minutes(stage.minutes)
        name = stage.name or Path(stage.config).with_suffix("").as_posix()
        if name in found:
            raise InputError(f"The campaign {path} has two stages {name}; give one of them another name.")
        found[name] = config
    return found


def run_campaign(
    configs: dict[str, TrainingConfig], prepared: PreparedVolumes, folder: Path, minutes: float
) -> dict[str, str]:
    """Go on with a campaign for some minutes.

    Args:
        configs: its configurations by name.
        prepared: volumes of all of them.
        folder: a folder a stage is made in it.
        minutes: when to stop, checkpoints included.

    Returns:
        What became of every stage: finished, stopped, or waiting.
    """
    deadline = time.monotonic() + 60 * minutes
    found = dict.fromkeys(configs, "waiting")
    for name, config in configs.items():
        state = checkpoint.read(folder / name)
        if state is not None and state["finished"]:
            found[name] = "finished"
            continue
        if deadline - time.monotonic() < SHORTEST_PIECE_S:
            break
        print(f"{name}:", flush=True)
        found[name] = "finished" if train(config, prepared, folder / name, deadline) else "stopped"
        if found[name] == "stopped":
            break
    return found
