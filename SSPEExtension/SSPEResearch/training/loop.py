"""The training loop: batches, rates, log, validation and checkpoints that resume exactly."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from SSPELib.errors import InputError, SSPEError

from . import checkpoint
from .config import TrainingConfig
from .game import Game
from .journal import Journal
from .losses import BODY_ABOVE, sobel_gradient
from .machine import Machine
from .scopes import ScopeSampler

MOST_SKIPPED_IN_A_ROW = 20


class TrainingDiverged(SSPEError):
    """Losses or gradients stayed non-finite; the last good checkpoint is kept."""


@dataclass(frozen=True)
class Validation:
    """Scopes on which the averaged generator is measured: the first ones of a sampler without augmentation."""

    name: str
    sampler: ScopeSampler


class Trainer:
    """Train one system of the paper.

    Args:
        config: the run.
        machine: device, precision and processes.
        folder: where checkpoints, logs and pictures go.
        volumes: names of the training volumes by pattern, which the checkpoint keeps for the model card.
    """

    def __init__(
        self, config: TrainingConfig, machine: Machine, folder: Path, volumes: dict[str, list[str]] | None = None
    ) -> None:
        self.config, self.machine, self.folder = config, machine, folder
        self.volumes = volumes or {}
        self.game = Game(config, machine)
        self.iteration = 0
        self.seconds = 0.0
        # Where Adam's moments began, from which the rates rise.
        self.warm_from = 0
        # Sums of the losses that no row of the log holds yet, on the device, and the number of their steps.
        self.unlogged: dict[str, Tensor] = {}
        self.unlogged_steps = 0

    @property
    def share(self) -> float:
        """How much of the schedule is done, by iterations or by minutes, whichever is more."""
        schedule = self.config.schedule
        by_clock = self.seconds / (60 * schedule.minutes) if schedule.minutes else 0.0
        return max(self.iteration / schedule.iterations, by_clock)

    def train(self, sampler: ScopeSampler, validations: Sequence[Validation], deadline: float = math.inf) -> bool:
        """Run from the present iteration to the last one, or until a time is over.

        Args:
            sampler: cuts training scopes.
            validations: what to validate on.
            deadline: when to stop, on the clock of time.monotonic().

        Returns:
            Whether the schedule is done; else a checkpoint from which to go on has been written.

        Raises:
            TrainingDiverged: too many steps in a row had a loss or gradient that was not finite.
        """
        logging, schedule = self.config.logging, self.config.schedule
        journal = Journal(self.folder, self.iteration) if self.machine.rank == 0 else None
        before, first, idle, stopped = self.seconds, self.iteration, 0.0, False
        begun = time.monotonic()
        time_left = deadline - begun
        if validations and first == 0 and self.config.initial_weights is not None:
            # What the weights that a run begins with can do, so that its later rows say whether it helps.
            self._validate(validations, journal)
            idle = self._agreed(time.monotonic() - begun)
        while self.share < 1 and not stopped:
            self._step(sampler)
            if self.iteration == first + 1 and self.machine.device.type == "cuda":
                # The first step compiles and looks for the fastest convolutions, which is no time of training.
                torch.cuda.synchronize()
                idle = self._agreed(time.monotonic() - begun)
            row = self.iteration % logging.log_every == 0
            if row or self.machine.world == 1 or self.iteration == schedule.iterations:
                elapsed = self._agreed(time.monotonic() - begun)
                self.seconds, stopped = before + elapsed - idle, elapsed > time_left
            last = self.share >= 1
            if row or last:
                self._log(journal, (self.seconds - before) / (self.iteration - first))
            if validations and (self.iteration % logging.validate_every == 0 or last):
                validating = time.monotonic()
                self._validate(validations, journal)
                idle += self._agreed(time.monotonic() - validating)
            if self.iteration % logging.checkpoint_every == 0 or last or stopped:
                self.save()
        if journal is not None:
            journal.close()
        return self.share >= 1

    def save(self) -> None:
        """Write a checkpoint.

        Raises:
            SSPEError: it cannot be written, as on a full disk.
        """
        losses = {name: float(value) for name, value in self._over_processes(self.unlogged).items()}
        if self.machine.rank == 0:
            counts = {"iteration": self.iteration, "seconds": self.seconds, "warm_from": self.warm_from}
            unlogged = {"losses": losses, "steps": self.unlogged_steps}
            state = {**self.game.state(), **counts, "unlogged": unlogged}
            state |= {"finished": self.share >= 1, "volumes": self.volumes}
            checkpoint.write(self.folder / checkpoint.LAST, state)
        self.machine.wait()

    def resume(self, state: dict[str, Any]) -> None:
        """Continue from a checkpoint as if the run had never stopped.

        Raises:
            InputError: it is of other networks.
        """
        try:
            self.game.load(checkpoint.weights(state))
            self.iteration, self.seconds = state["iteration"], state["seconds"]
            self.unlogged_steps = state["unlogged"]["steps"]
            self.warm_from = state["warm_from"] if checkpoint.is_whole(state) else self.iteration
            losses = state["unlogged"]["losses"].items()
        except (RuntimeError, ValueError, KeyError) as error:
            raise InputError(
                f"The checkpoint in {self.folder} does not fit the networks of the configuration; restore one of both, "
                "or give another output folder to begin anew."
            ) from error
        self.unlogged = {name: self._on_device(value) for name, value in losses}

    def _step(self, sampler: ScopeSampler) -> None:
        schedule, machine = self.config.schedule, self.machine
        first = (self.iteration * machine.world + machine.rank) * schedule.batch
        scopes = sampler.draw(range(first, first + schedule.batch), sampler.steps(self.iteration))
        self.game.set_rates(self._rate())
        # Early on the weights change fast: a slow average would remember their beginnings for thousands of steps.
        average = min(schedule.average_decay, (1 + self.iteration) / (schedule.average_warm_up + self.iteration))
        for name, value in self.game.step(*scopes, average).items():
            self.unlogged[name] = self.unlogged[name] + value if name in self.unlogged else value.to(self._kind)
        self.unlogged_steps += 1
        self.iteration += 1

    def _rate(self) -> float:
        schedule = self.config.schedule
        factor = min(1.0, (self.iteration - self.warm_from + 1) / max(1, schedule.warm_up))
        return factor * 0.5 * (1 + math.cos(math.pi * self.share)) if schedule.cosine else factor

    def _log(self, journal: Journal | None, pace: float) -> None:
        """A row of the log; the only place where a step waits for the device.

        Raises:
            TrainingDiverged: too many steps in a row were skipped.
        """
        means = {
            name: float(value) / self.unlogged_steps for name, value in self._over_processes(self.unlogged).items()
        }
        self.unlogged, self.unlogged_steps = {}, 0
        skipped = self.game.most_skipped()
        if journal is not None:
            counts = {f"{name}_skipped": count for name, count in skipped.items()}
            journal.row("losses", self.iteration, {**means, **counts, "seconds_per_iteration": pace})
        share = self.share
        left = max(0.0, self.seconds * (1 - share) / share / 60)
        self.machine.say(
            f"{self.iteration}, {100 * share:.1f} %: "
            + " ".join(f"{name} {value:.4f}" for name, value in means.items())
            + f", {pace:.3f} s each, {left:.0f} min left"
        )
        for name, count in skipped.items():
            if count > MOST_SKIPPED_IN_A_ROW:
                raise TrainingDiverged(
                    f"The loss of the {name} was not finite in {count} steps in a row before iteration "
                    f"{self.iteration}. The last good checkpoint is {self.folder / checkpoint.LAST}. "
                    "Lower the learning rate or train in 32-true precision."
                )

    def _validate(self, validations: Sequence[Validation], journal: Journal | None) -> None:
        """Log how good the averaged generator is on the validation scopes, and show its first prediction of each.

        The process that keeps the journal does it; the others, which have none, leave it to that one.

        Errors and gradients count in body voxels of the new slices. The error is given over that of repeating the edge
        slice, the gradient over that of the truth.
        """
        if journal is None:
            return
        step, row = self.config.scope.step, {}
        for validation in validations:
            sums = {"": torch.zeros(4), "up": torch.zeros(4), "down": torch.zeros(4)}
            for number in range(self.config.logging.validation_scopes):
                scope, new = validation.sampler.draw([number])
                predicted = self.game.predicted(scope)
                if number == 0:
                    truth = torch.cat([scope[0, :, step:], new[0]], dim=1)
                    journal.sample(validation.name, self.iteration, [scope[0], predicted[0], truth])
                found = _figures(predicted[:, :, -step:], new, scope[:, :, -1:])
                for direction in ("", "up" if validation.sampler.grows_upward(number) else "down"):
                    sums[direction] += found
            for direction, (error, repeated, gradient, true_gradient) in sums.items():
                name = f"{validation.name} {direction}".strip()
                row[name] = float(error / repeated.clamp_min(1e-6))
                if not direction:
                    row[f"{name} gradient"] = float(gradient / true_gradient.clamp_min(1e-6))
        journal.row("validation", self.iteration, row)
        self.machine.say(f"validation at {self.iteration}: {row}")

    def _over_processes(self, sums: dict[str, Tensor]) -> dict[str, Tensor]:
        """Sums of losses as the mean over all processes."""
        if not sums:
            return {}
        means = self.machine.reduced(torch.stack(list(sums.values())), "mean")
        return dict(zip(sums, means.cpu().unbind(), strict=True))

    @property
    def _kind(self) -> torch.dtype:
        return torch.float32 if self.machine.device.type == "mps" else torch.float64

    def _on_device(self, value: float) -> Tensor:
        return torch.tensor(value, dtype=self._kind, device=self.machine.device)

    def _agreed(self, seconds: float) -> float:
        """The longest time of all processes, which must stop together."""
        return float(self.machine.reduced(self._on_device(seconds), "max")) if self.machine.world > 1 else seconds


def _figures(predicted: Tensor, new: Tensor, edge: Tensor) -> Tensor:
    """Sums over body voxels: error, that of repeating the edge slice, gradient magnitude, that of the truth."""
    body = new > BODY_ABOVE
    errors = (predicted - new).abs(), (edge - new).abs()
    gradients = (sobel_gradient(slices).norm(dim=1, keepdim=True) for slices in (predicted, new))
    return torch.stack([(values * body).sum() for values in (*errors, *gradients)]).cpu()
