"""Checkpoints: a whole one that goes on exactly, and a light one that travels and ends a run."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from SSPELib.errors import InputError, SSPEError

LAST, LIGHT = "last.ckpt", "light.ckpt"
LIGHT_ENTRIES = ("skipped", "iteration", "seconds", "warm_from", "unlogged", "finished", "volumes")


def write(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint beside, then rename.

    Raises:
        SSPEError: it cannot be written, as on a full disk.
    """
    partial = path.with_suffix(".part")
    try:
        torch.save(state, partial)
        partial.replace(path)
    except (OSError, RuntimeError) as error:
        # torch reports a failed write as a RuntimeError.
        partial.unlink(missing_ok=True)
        raise SSPEError(
            f"The checkpoint of iteration {state['iteration']} cannot be written to {path.parent} ({error}). Make room "
            "there and start the same command again: it resumes from the checkpoint before, if there is one."
        ) from error


def read(folder: Path) -> dict[str, Any] | None:
    """The checkpoint of a run's folder, the light one where there is no whole one; None where there is neither.

    Raises:
        InputError: the file is damaged.
    """
    path = next((folder / name for name in (LAST, LIGHT) if (folder / name).is_file()), None)
    if path is None:
        return None
    try:
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, ValueError, KeyError, EOFError, pickle.UnpicklingError) as error:
        raise InputError(
            f"The checkpoint {path} is damaged; restore it, or give another output folder to begin anew."
        ) from error


def lightened(state: dict[str, Any]) -> dict[str, Any]:
    """What of a state travels: in float16 the averaged generator and, where the run goes on, the discriminator.

    A run that goes on from it has the averaged weights for its generator, and Adam's moments begin anew, which takes it
    about as long as they remember, 100 iterations.
    """
    kept = {name: value for name, value in state.items() if name in LIGHT_ENTRIES}
    for name in ("averaged",) if state["finished"] else ("averaged", "discriminator"):
        kept[name] = {key: value.half() for key, value in state[name].items()}
    return kept


def is_whole(state: dict[str, Any]) -> bool:
    """Whether a run goes on from a state exactly."""
    return "generator" in state


def weights(state: dict[str, Any]) -> dict[str, Any]:
    """A state with a generator, also where only its average is there."""
    return {"generator": state["averaged"], **state}
