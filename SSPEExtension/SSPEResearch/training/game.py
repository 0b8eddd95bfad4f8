"""One step of the game of generator and discriminator, during which nothing waits for the device."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from SSPELib.model.bundle import build_generator

from .config import TrainingConfig
from .discriminator import PatchDiscriminator
from .losses import (
    adversarial_loss,
    discriminator_loss,
    feature_matching_loss,
    gradient_matching_loss,
    reconstruction_loss,
)
from .machine import Machine

NETWORKS = ("generator", "discriminator")


class Game:
    """Both networks of a system, their optimizers and the averaged generator.

    A step whose loss or gradient is not finite is skipped on the device, without asking it: Adam's fused kernel is told
    so, as by a gradient scaler.

    Attributes:
        generator, discriminator, averaged: the networks.
        optimizers: of both, by name.
        skipped: steps in a row that were skipped, by name, on the device: a good step of one must not hide the other.
    """

    def __init__(self, config: TrainingConfig, machine: Machine) -> None:
        self.config, self.machine = config, machine
        torch.manual_seed(config.seed)
        generator = build_generator(config.generator.architecture, config.scope.step, config.generator.arguments)
        generator.activation_checkpointing = config.activation_checkpointing
        discriminator = PatchDiscriminator(config.discriminator.base, config.discriminator.depth)
        device, schedule = machine.device, config.schedule
        self.generator: nn.Module = generator.to(device)
        self.discriminator: nn.Module = discriminator.to(device)
        if device.type == "cuda":
            # On the CPU the backward pass of group norm makes this layout half as fast as the default one.
            for network in (self.generator, self.discriminator):
                network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
            torch.backends.cudnn.benchmark = not config.scope.fits_body
        self.averaged = copy.deepcopy(self.generator).eval().requires_grad_(False)
        self.optimizers = {
            "generator": torch.optim.Adam(
                self.generator.parameters(), schedule.generator_rate, betas=(0.9, 0.99), fused=True
            ),
            "discriminator": torch.optim.Adam(
                self.discriminator.parameters(), schedule.discriminator_rate, betas=(0.5, 0.99), fused=True
            ),
        }
        self.skipped = {name: torch.zeros((), device=device) for name in NETWORKS}
        self._most_skipped = {name: torch.zeros((), device=device) for name in NETWORKS}
        self._generate = machine.shared(self._compiled(self.generator))
        self._judge = self._compiled(self.discriminator)
        self._judge_to_learn = machine.shared(self._judge)
        self._continue = self._compiled(self.averaged)

    def step(self, scope: Tensor, following: Tensor, average: float) -> dict[str, Tensor]:
        """One step of the discriminator and one of the generator; returns the losses, on the device.

        Args:
            scope: X[t], (n, 1, z, y, x) in HU / 1000.
            following: the slices that follow it, one step or more; all steps before the last are left to the generator.
            average: how much of the averaged weights is kept.
        """
        weights, step = self.config.losses, self.config.scope.step
        scope, target = self.advanced(scope, following)
        with self.machine.autocast():
            generated = self._generate(scope).float()
        losses = {"rec": reconstruction_loss(generated, target, step, weights.new_weight, weights.body_weight)}
        total = losses["rec"]
        if weights.gradient_matching > 0:
            losses["gm"] = gradient_matching_loss(generated, target)
            total = total + weights.gradient_matching * losses["gm"]
        if weights.adversarial > 0 or weights.feature_matching > 0:
            with self.machine.autocast():
                judged, features = self._judge_to_learn(torch.cat([generated.detach(), target]))
            losses["disc"] = discriminator_loss(*judged.float().chunk(2))
            self._update("discriminator", losses["disc"])
            real_features = [feature.detach().float().chunk(2)[1] for feature in features]
            # Its weights get no gradient here, so that other processes need not hear of it.
            self.discriminator.requires_grad_(False)
            with self.machine.autocast():
                judged, features = self._judge(generated)
            losses["adv"] = adversarial_loss(judged.float())
            losses["fm"] = feature_matching_loss([feature.float() for feature in features], real_features)
            total = total + weights.adversarial * losses["adv"] + weights.feature_matching * losses["fm"]
            self.discriminator.requires_grad_(True)
        self._update("generator", total)
        torch._foreach_lerp_(list(self.averaged.parameters()), list(self.generator.parameters()), 1 - average)
        return {name: loss.detach() for name, loss in losses.items()}

    def advanced(self, scope: Tensor, following: Tensor) -> tuple[Tensor, Tensor]:
        """The scope from which the last step starts, and X[t + delta] for it; the overlap stays as it was given."""
        step = self.config.scope.step
        while following.shape[2] > step:
            new = self.predicted(scope)[:, :, -step:]
            scope, following = torch.cat([scope[:, :, step:], new], dim=2), following[:, :, step:]
        return scope, torch.cat([scope[:, :, step:], following], dim=2)

    def predicted(self, scope: Tensor) -> Tensor:
        """What the averaged generator makes of a scope."""
        with torch.no_grad(), self.machine.autocast():
            predicted: Tensor = self._continue(scope)
        return predicted.float()

    def set_rates(self, factor: float) -> None:
        """Set the rates of both optimizers to a share of those of the configuration."""
        schedule = self.config.schedule
        rates = {"generator": schedule.generator_rate, "discriminator": schedule.discriminator_rate}
        for name, optimizer in self.optimizers.items():
            for group in optimizer.param_groups:
                group["lr"] = rates[name] * factor

    def most_skipped(self) -> dict[str, int]:
        """The most steps in a row that were skipped since this was asked last; waits for the device."""
        most = {name: int(count) for name, count in self._most_skipped.items()}
        for name, count in self._most_skipped.items():
            count.copy_(self.skipped[name])
        return most

    def state(self) -> dict[str, Any]:
        """All that a checkpoint must hold to go on exactly."""
        networks = {name: getattr(self, name).state_dict() for name in (*NETWORKS, "averaged")}
        optimizers = {f"{name}_optimizer": optimizer.state_dict() for name, optimizer in self.optimizers.items()}
        return {**networks, **optimizers, "skipped": {name: int(count) for name, count in self.skipped.items()}}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a state; without optimizers, as in one that travels, they begin anew."""
        for name in (*NETWORKS, "averaged"):
            getattr(self, name).load_state_dict(state[name])
        for name, optimizer in self.optimizers.items():
            if f"{name}_optimizer" in state:
                optimizer.load_state_dict(state[f"{name}_optimizer"])
        for name, count in state.get("skipped", {}).items():
            self.skipped[name].fill_(count)

    def _compiled(self, network: nn.Module) -> Any:
        if self.config.compile == "no":
            return network
        mode = None if self.config.compile == "default" else self.config.compile
        return torch.compile(network, mode=mode, dynamic=False)

    def _update(self, name: str, loss: Tensor) -> None:
        """Take a step; one whose loss or gradient is not finite in any process is skipped in all."""
        network, optimizer = getattr(self, name), self.optimizers[name]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = clip_grad_norm_(network.parameters(), self.config.schedule.clip_norm)
        bad = self.machine.reduced((~(torch.isfinite(norm) & torch.isfinite(loss.detach()))).float(), "max")
        optimizer.found_inf = bad  # type: ignore[attr-defined]
        optimizer.step()
        skipped = self.skipped[name]
        skipped.add_(1).mul_(bad)
        torch.maximum(self._most_skipped[name], skipped, out=self._most_skipped[name])
