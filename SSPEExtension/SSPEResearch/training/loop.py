"""The training loop: generator and discriminator in turn, averaged weights, checkpoints that resume exactly."""

from __future__ import annotations

import copy
import math
import pickle
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from SSPELib.errors import InputError, SSPEError

from .config import TrainingConfig
from .journal import Journal
from .losses import (
    BODY_ABOVE,
    adversarial_loss,
    discriminator_loss,
    feature_matching_loss,
    gradient_matching_loss,
    reconstruction_loss,
)

MOST_SKIPPED_IN_A_ROW = 20

Pairs = Dataset[tuple[Tensor, Tensor]]


class TrainingDiverged(SSPEError):
    """Losses or gradients stayed non-finite; the last good checkpoint is kept."""


@dataclass
class Validation:
    """Error on fixed validation scopes, new slices only, body voxels only, against repeating the edge slice."""

    name: str
    pairs: Pairs
    ratios: list[float] = field(default_factory=list)


class Trainer:
    """Train one system of the paper.

    Args:
        config: the run.
        fabric: device, precision and processes.
        generator: maps a scope to the next one.
        discriminator: the patch discriminator.
        folder: where checkpoints, logs and pictures go.
    """

    def __init__(
        self, config: TrainingConfig, fabric: Fabric, generator: nn.Module, discriminator: nn.Module, folder: Path
    ) -> None:
        self.config = config
        self.fabric = fabric
        self.folder = folder
        schedule = config.schedule
        self.averaged = fabric.to_device(copy.deepcopy(generator).eval().requires_grad_(False))
        if fabric.device.type == "cuda":
            # On the CPU the backward pass of group norm makes this layout half as fast as the default one.
            generator.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self.generator, self.generator_optimizer = fabric.setup(
            generator, torch.optim.Adam(generator.parameters(), schedule.generator_rate, betas=(0.9, 0.99), fused=True)
        )
        self.discriminator, self.discriminator_optimizer = fabric.setup(
            discriminator,
            torch.optim.Adam(discriminator.parameters(), schedule.discriminator_rate, betas=(0.5, 0.99), fused=True),
        )
        self.iteration = 0
        # Sums of the losses of the steps that no row of the log holds yet, and the number of these steps.
        self.unlogged: dict[str, float] = {}
        self.unlogged_steps = 0
        # Steps in a row whose loss or gradient was not finite, by network: a good step of one must not hide the other.
        self.skipped = {"generator": 0, "discriminator": 0}

    def train(self, pairs: Pairs, validations: list[Validation]) -> None:
        """Run from the present iteration to the last one.

        Raises:
            TrainingDiverged: too many steps in a row had a loss or gradient that was not finite.
        """
        schedule, logging = self.config.schedule, self.config.logging
        started, first = time.monotonic(), self.iteration
        journal = Journal(self.folder, self.iteration) if self.fabric.global_rank == 0 else None
        for scope, following in self._batches(pairs):
            self._set_rates()
            for name, value in self.step(scope, following).items():
                self.unlogged[name] = self.unlogged.get(name, 0.0) + value
            self.unlogged_steps += 1
            self.iteration += 1
            last = self.iteration == schedule.iterations
            if self.iteration % logging.log_every == 0 or last:
                pace = (time.monotonic() - started) / (self.iteration - first)
                means = {name: value / self.unlogged_steps for name, value in self._unlogged_of_all().items()}
                if journal is not None:
                    skipped = {f"{name}_skipped": count for name, count in self.skipped.items()}
                    journal.row("losses", self.iteration, {**means, **skipped, "seconds_per_iteration": pace})
                self.fabric.print(
                    f"{self.iteration}/{schedule.iterations} "
                    + " ".join(f"{name} {value:.4f}" for name, value in means.items())
                    + f", {pace:.2f} s each, {pace * (schedule.iterations - self.iteration) / 60:.0f} min left",
                    flush=True,
                )
                self.unlogged, self.unlogged_steps = {}, 0
            if journal is not None and validations and (self.iteration % logging.validate_every == 0 or last):
                self.validate(validations, journal)
            if self.iteration % logging.checkpoint_every == 0 or last:
                self.save(self.folder / "last.ckpt")
        if journal is not None:
            journal.close()

    def step(self, scope: Tensor, following: Tensor) -> dict[str, float]:
        """One step of the discriminator and one of the generator; returns the losses, NaN where none was computed.

        Args:
            scope: X[t], (n, 1, z, y, x) in HU / 1000.
            following: the slices that follow it, one step or more; all steps before the last are left to the generator.
        """
        weights = self.config.losses
        scope, target = self._advanced(scope, following)
        generated = self.generator(scope)
        values: dict[str, Tensor] = {}
        total = torch.zeros((), device=generated.device)
        step = self.config.scope.step
        values["rec"] = reconstruction_loss(generated, target, step, weights.new_weight, weights.body_weight)
        total = total + values["rec"]
        if weights.gradient_matching > 0:
            values["gm"] = gradient_matching_loss(generated, target)
            total = total + weights.gradient_matching * values["gm"]
        if weights.adversarial > 0 or weights.feature_matching > 0:
            judged, features = self.discriminator(torch.cat([generated.detach(), target]))
            judged_generated, judged_real = judged.chunk(2)
            values["disc"] = discriminator_loss(judged_generated, judged_real)
            if not self._update("discriminator", values["disc"]):
                none = torch.tensor(math.nan)
                return {name: float(value.detach()) for name, value in {**values, "adv": none, "fm": none}.items()}
            real_features = [feature.detach().chunk(2)[1] for feature in features]
            self.discriminator.requires_grad_(False)
            judged_generated, generated_features = self.discriminator(generated)
            values["adv"] = adversarial_loss(judged_generated)
            values["fm"] = feature_matching_loss(generated_features, real_features)
            total = total + weights.adversarial * values["adv"] + weights.feature_matching * values["fm"]
            self.discriminator.requires_grad_(True)
        if self._update("generator", total):
            self._average()
        return {name: float(value.detach()) for name, value in values.items()}

    def _advanced(self, scope: Tensor, following: Tensor) -> tuple[Tensor, Tensor]:
        """The scope from which the last step starts, and X[t + delta] for it; the overlap stays as it was given."""
        step = self.config.scope.step
        while following.shape[2] > step:
            with torch.no_grad(), self.fabric.autocast():
                predicted = self.averaged(scope)[:, :, -step:].to(scope.dtype)
            scope, following = torch.cat([scope[:, :, step:], predicted], dim=2), following[:, :, step:]
        return scope, torch.cat([scope[:, :, step:], following], dim=2)

    def validate(self, validations: list[Validation], journal: Journal) -> None:
        """Log the error of the averaged generator on the validation scopes, and show its first prediction of each."""
        step = self.config.scope.step
        row: dict[str, float] = {}
        for validation in validations:
            error = baseline = 0.0
            for number in range(len(validation.pairs)):  # type: ignore[arg-type]
                scope, new = (self.fabric.to_device(t[None]) for t in validation.pairs[number])
                with torch.no_grad(), self.fabric.autocast():
                    predicted = self.averaged(scope).float()
                if number == 0:
                    truth = torch.cat([scope[0, :, step:], new[0]], dim=1)
                    journal.sample(validation.name, self.iteration, [scope[0], predicted[0], truth])
                body = new > BODY_ABOVE
                error += float((predicted[:, :, -step:] - new).abs()[body].sum())
                baseline += float((scope[:, :, -1:] - new).abs()[body].sum())
            row[validation.name] = error / max(baseline, 1e-6)
        journal.row("validation", self.iteration, row)
        self.fabric.print(f"validation at {self.iteration}: {row}", flush=True)

    def save(self, path: Path) -> None:
        """Write a checkpoint beside, then rename.

        Raises:
            SSPEError: it cannot be written, as on a full disk.
        """
        partial = path.with_suffix(".part")
        unlogged = {"losses": self._unlogged_of_all(), "steps": self.unlogged_steps}
        try:
            self.fabric.save(partial, {**self._state(), "unlogged": unlogged})
            if self.fabric.global_rank == 0:
                partial.replace(path)
        except (OSError, RuntimeError) as error:
            # torch reports a failed write as a RuntimeError.
            partial.unlink(missing_ok=True)
            raise SSPEError(
                f"The checkpoint of iteration {self.iteration} cannot be written to {path.parent} ({error}). Make room "
                "there and start the same command again: it resumes from the checkpoint before, if there is one."
            ) from error
        self.fabric.barrier()

    def resume(self, path: Path) -> None:
        """Continue from a checkpoint as if the run had never stopped.

        Raises:
            InputError: the file is damaged or of other networks.
        """
        state = self._state()
        try:
            rest = self.fabric.load(path, state)
        except (RuntimeError, ValueError, KeyError, EOFError, pickle.UnpicklingError) as error:
            raise InputError(
                f"The checkpoint {path} is damaged or does not fit the networks of the configuration; restore one of "
                "both, or give another output folder to begin anew."
            ) from error
        self.iteration, self.skipped = state["iteration"], dict(state["skipped"])
        if "unlogged" in rest:
            self.unlogged, self.unlogged_steps = dict(rest["unlogged"]["losses"]), rest["unlogged"]["steps"]

    def _state(self) -> dict[str, Any]:
        return {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "averaged": self.averaged,
            "generator_optimizer": self.generator_optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
            "iteration": self.iteration,
            "skipped": self.skipped,
        }

    def _batches(self, pairs: Pairs) -> Iterator[tuple[Tensor, Tensor]]:
        world, rank, batch = self.fabric.world_size, self.fabric.global_rank, self.config.schedule.batch
        numbers = [
            [(iteration * world + rank) * batch + index for index in range(batch)]
            for iteration in range(self.iteration, self.config.schedule.iterations)
        ]
        loader = DataLoader(pairs, batch_sampler=numbers, num_workers=self.config.workers)
        for scope, following in loader:
            yield self.fabric.to_device(scope), self.fabric.to_device(following)

    def _unlogged_of_all(self) -> dict[str, float]:
        """The sums of losses as the mean over all processes."""
        if self.fabric.world_size == 1 or not self.unlogged:
            return dict(self.unlogged)
        means = self._over_processes(torch.tensor(list(self.unlogged.values()), dtype=torch.float64), "mean")
        return dict(zip(self.unlogged, means.tolist(), strict=True))

    def _over_processes(self, values: Tensor, operation: Literal["mean", "min"]) -> Tensor:
        reduced = self.fabric.all_reduce(self.fabric.to_device(values), reduce_op=operation)
        assert isinstance(reduced, Tensor)
        return reduced

    def _set_rates(self) -> None:
        schedule = self.config.schedule
        factor = min(1.0, (self.iteration + 1) / max(1, schedule.warm_up))
        if schedule.cosine:
            factor *= 0.5 * (1 + math.cos(math.pi * self.iteration / schedule.iterations))
        for optimizer, rate in (
            (self.generator_optimizer, schedule.generator_rate),
            (self.discriminator_optimizer, schedule.discriminator_rate),
        ):
            for group in optimizer.param_groups:
                group["lr"] = rate * factor

    def _update(self, network: Literal["generator", "discriminator"], loss: Tensor) -> bool:
        """Take a step unless loss or gradient are not finite; many such steps in a row end the run."""
        module, optimizer = {
            "generator": (self.generator, self.generator_optimizer),
            "discriminator": (self.discriminator, self.discriminator_optimizer),
        }[network]
        optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        norm = torch.nn.utils.clip_grad_norm_(module.parameters(), self.config.schedule.clip_norm)
        # All processes must come to the same decision, or their weights part.
        finite = (torch.isfinite(loss) & torch.isfinite(norm)).float()
        if self._over_processes(finite, "min").item() == 1:
            optimizer.step()
            self.skipped[network] = 0
            return True
        self.skipped[network] += 1
        if self.skipped[network] > MOST_SKIPPED_IN_A_ROW:
            raise TrainingDiverged(
                f"The loss of the {network} was not finite in {self.skipped[network]} steps in a row at iteration "
                f"{self.iteration}. The last good checkpoint is {self.folder / 'last.ckpt'}. "
                "Lower the learning rate or train in 32-true precision."
            )
        return False

    def _average(self) -> None:
        # Early on the weights change fast: a slow average would remember their beginnings for thousands of steps.
        schedule = self.config.schedule
        decay = min(schedule.average_decay, (1 + self.iteration) / (schedule.average_warm_up + self.iteration))
        for average, value in zip(self.averaged.parameters(), self.generator.parameters(), strict=True):
            average.detach().lerp_(value.detach(), 1 - decay)
