"""The device and the processes of a run; under torchrun there are several, whose gradients are averaged."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from SSPELib.errors import DeviceError
from SSPELib.model.device import choose_device, computes_bf16

from .config import Precision, TrainingConfig


@dataclass(frozen=True)
class Machine:
    """Where a process of a run computes.

    Attributes:
        device: of this process.
        precision: of the networks.
        rank, world: number of this process, and how many there are.
    """

    device: torch.device
    precision: Precision
    rank: int = 0
    world: int = 1

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """The context in which networks run."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16-mixed")

    def shared(self, network: nn.Module) -> Callable[..., Any]:
        """A network whose gradients are averaged over all processes."""
        if self.world == 1:
            return network
        devices = [self.device] if self.device.type == "cuda" else None
        return DistributedDataParallel(network, devices, broadcast_buffers=False)

    def reduced(self, values: Tensor, operation: Literal["mean", "max"]) -> Tensor:
        """Values (on the device of this process) over all processes, without waiting for the device."""
        if self.world > 1:
            kind = distributed.ReduceOp.MAX if operation == "max" else distributed.ReduceOp.SUM
            distributed.all_reduce(values, kind)
            if operation == "mean":
                values /= self.world
        return values

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.world > 1:
            distributed.barrier()

    def say(self, text: str) -> None:
        """Print a line, once for all processes."""
        if self.rank == 0:
            print(text, flush=True)


def launched(config: TrainingConfig) -> Machine:
    """The machine of this process; under torchrun it joins the others.

    Raises:
        DeviceError: the machine does not have the device.
    """
    device, _ = choose_device(config.device)
    world = int(os.environ.get("WORLD_SIZE", 1))
    if world == 1:
        return Machine(device, usable_precision(config, device))
    if device.type == "cuda":
        local = int(os.environ["LOCAL_RANK"])
        if local >= torch.cuda.device_count():
            raise DeviceError(f"Process {local} has no GPU; start as many processes as this computer has GPUs.")
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
    if not distributed.is_initialized():
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return Machine(device, usable_precision(config, device), distributed.get_rank(), world)


def usable_precision(config: TrainingConfig, device: torch.device) -> Precision:
    """The precision of a configuration; 32-true where a CPU without the instructions for bf16 would imitate it."""
    return config.precision if device.type != "cpu" or computes_bf16() else "32-true"
