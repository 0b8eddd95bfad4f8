"""How fast a machine trains, and how much of what it could compute that is."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from .config import TrainingConfig
from .game import Game
from .machine import Machine, usable_precision
from .pace import finish, matrix_rate, pace
from .run import make_sampler
from .scopes import ScopeSampler
from .volumes import PreparedVolume, PreparedVolumes

GIBIBYTE = 1024**3


@dataclass(frozen=True)
class Speed:
    """Figures of one way to train.

    Attributes:
        device, precision, compile: the way.
        batch: scopes a step.
        scopes_per_s: scopes a second, cutting and both networks' steps included.
        cutting_share: share of that time in which scopes are cut, when nothing else runs.
        gflop_per_scope: operations of a scope in both networks' steps, 10^9.
        rate: of these, 10^9 a second.
        matrix_rate: of a large matrix product on this device in the same precision.
        memory_gib: highest memory of the device, of the process on a CPU.
        first_s: seconds until the first step is done, with compilation.
    """

    device: str
    precision: str
    compile: str
    batch: int
    scopes_per_s: float
    cutting_share: float
    gflop_per_scope: float
    rate: float
    matrix_rate: float
    memory_gib: float
    first_s: float

    def line(self) -> str:
        """All of it in a line of a table."""
        return (
            f"| {self.device} | {self.precision} | {self.compile} | {self.batch} | {self.scopes_per_s:.2f} | "
            f"{100 * self.cutting_share:.0f} | {self.gflop_per_scope:.3g} | {self.rate:.3g} | "
            f"{100 * self.rate / self.matrix_rate:.1f} | {self.memory_gib:.2f} | {self.first_s:.1f} |"
        )


HEADER = (
    "| device | precision | compile | batch | scopes/s | of it cutting, % | GFLOP a scope | GFLOP/s | "
    "of matrix rate, % | memory, GiB | first step, s |\n" + "|---" * 11 + "|"
)


def measure(config: TrainingConfig, device: torch.device, seconds: float = 20.0, profile: bool = False) -> Speed:
    """Train on made-up bodies for some seconds and measure it.

    Args:
        config: the run; its batch, scope and mode of compilation count.
        device: where.
        seconds: for how long, after the first steps.
        profile: print the operations that take most of a step.
    """
    machine = Machine(device, usable_precision(config, device))
    kind = torch.bfloat16 if machine.precision == "bf16-mixed" else torch.float32
    fastest = matrix_rate(device, kind)
    config = replace(config, scope=replace(config.scope, fits_body=False, second_steps=0.0, third_steps=0.0))
    sampler = make_sampler(config, config.data.sources[:1], _bodies(config), machine, augmented=True)
    game, batch = Game(config, machine), config.schedule.batch
    game.set_rates(0.0)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    started = time.monotonic()
    scopes = sampler.draw(range(batch))
    game.step(*scopes, 0.999)
    finish(device)
    first = time.monotonic() - started
    memory = _peak_gib(device)
    operations = _operations(config, machine, scopes)
    steps = pace(lambda number: game.step(*sampler.draw(_numbers(number, batch)), 0.999), device, seconds)
    cutting = pace(lambda number: sampler.draw(_numbers(number, batch)), device, seconds / 10)
    if profile:
        _profile(game, sampler, batch, device)
    rate = operations * batch / steps / 1e9
    return Speed(
        device.type if device.type != "cuda" else torch.cuda.get_device_name(),
        machine.precision,
        config.compile,
        batch,
        batch / steps,
        cutting / steps,
        operations / 1e9,
        rate,
        fastest / 1e9,
        memory,
        first,
    )


def _numbers(number: int, batch: int) -> range:
    return range(number * batch, (number + 1) * batch)


def _bodies(config: TrainingConfig) -> PreparedVolumes:
    """Cylinders as large as people, long enough for every scope."""
    scope = config.scope
    depth = scope.size[0] + 2 * scope.step
    axes = [np.arange(count) - count / 2 for count in scope.size[1:]]
    inside = (axes[0][:, None] / (0.4 * scope.size[1])) ** 2 + (axes[1] / (0.4 * scope.size[2])) ** 2 < 1
    body = np.broadcast_to(inside, (depth, *inside.shape)).copy()
    noise = np.random.default_rng(1).normal(40, 100, body.shape)
    array = np.where(body, noise, -1000).astype(np.int16)
    name = config.data.sources[0].pattern.replace("*", "x")
    return PreparedVolumes(scope.spacing_mm, {name: "train"}, {name: PreparedVolume(name, array, body)})


def _operations(config: TrainingConfig, machine: Machine, scopes: tuple[torch.Tensor, torch.Tensor]) -> float:
    """Operations of a scope, counted while one is trained on without compilation."""
    game = Game(replace(config, compile="no"), machine)
    with FlopCounterMode(display=False) as counter:
        game.step(scopes[0][:1], scopes[1][:1], 0.999)
    return float(counter.get_total_flops())


def _peak_gib(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / GIBIBYTE
    try:
        import resource
    except ImportError:
        return float("nan")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / GIBIBYTE


def _profile(game: Game, sampler: ScopeSampler, batch: int, device: torch.device) -> None:
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as profiled

    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]
    if device.type == "cuda":
        # Whatever in a step waits for the device is named in a warning.
        torch.cuda.set_sync_debug_mode("warn")
    with profiled(activities=activities) as found:
        game.step(*sampler.draw(range(batch)), 0.999)
    if device.type == "cuda":
        torch.cuda.set_sync_debug_mode("default")
    finish(device)
    order = "self_cuda_time_total" if device.type == "cuda" else "self_cpu_time_total"
    print(found.key_averages().table(sort_by=order, row_limit=25, max_name_column_width=60))
