"""Peak memory of one training step at the size of a configuration, measured in a process of its own."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from lightning_fabric import Fabric

from SSPELib.errors import SSPEError

from .config import read_config
from .run import make_trainer, usable_precision

GIGABYTE = 1024**3


@dataclass(frozen=True)
class StepMemory:
    """What one step took.

    Attributes:
        before_gb: memory of the process before the step: libraries, weights and one scope, GiB.
        peak_gb: its highest during the step, GiB.
        seconds: duration of the step.
        precision: as the configuration says, or 32-true on a CPU without bf16.
    """

    before_gb: float
    peak_gb: float
    seconds: float
    precision: str


def measure(path: Path) -> StepMemory:
    """Measure one step on the CPU, discriminator and generator, of what a configuration describes.

    Raises:
        InputError: the configuration is not usable.
        SSPEError: the process did not come to its end, for want of memory as a rule.
    """
    read_config(path)
    run = subprocess.run([sys.executable, "-m", __name__, str(path)], stdout=subprocess.PIPE, text=True, check=False)
    if run.returncode != 0:
        raise SSPEError(
            f"The measured process ended with code {run.returncode}, as when memory runs out; close other programs or "
            "choose a smaller scope."
        )
    return StepMemory(**json.loads(run.stdout.splitlines()[-1]))


def _peak_gb() -> float:
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return highest * (1 if sys.platform == "darwin" else 1024) / GIGABYTE


def _step(path: Path) -> StepMemory:
    """One step on random voxels in this process."""
    config = read_config(path)
    precision = usable_precision(config)
    with TemporaryDirectory() as folder:
        trainer = make_trainer(config, Fabric(accelerator="cpu", devices=1, precision=precision), Path(folder))
        shape = (config.schedule.batch, 1, *config.scope.size[1:])
        depth, step = config.scope.size[0], config.scope.step
        scope, following = (torch.rand(*shape[:2], count, *shape[2:]) - 1 for count in (depth, step))
        before, started = _peak_gb(), time.monotonic()
        trainer.step(scope, following)
        return StepMemory(before, _peak_gb(), time.monotonic() - started, precision)


if __name__ == "__main__":
    print(json.dumps(asdict(_step(Path(sys.argv[1])))))
