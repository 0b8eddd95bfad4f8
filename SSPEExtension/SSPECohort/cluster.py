"""The workers: those of this computer, or those of a Dask scheduler that runs already."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import dask
import psutil
from distributed import Client, LocalCluster

from SSPELib import __version__
from SSPELib.errors import DeviceError, InputError

from .plan import cores, memory_for_workers_mib, workers_that_fit

CONNECT_SECONDS = 30
FIRST_WORKER_SECONDS = 60
GPU = "GPU"
CONFIGURATION = {
    # A row that ends its worker gets a second try, then one alone with all memory.
    "distributed.scheduler.allowed-failures": 1,
    # A worker takes its next row when it is free, so that none waits behind a long one.
    "distributed.scheduler.worker-saturation": 1.0,
    # What a worker holds is the model and the row at hand. It can neither be moved to disk nor waited for to shrink;
    # a worker beyond its memory is ended and begun anew.
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": 0.95,
    # A worker would keep a tree of what it was at for every second, some 0.2 MiB a short row.
    "distributed.worker.profile.enabled": False,
}


@dataclass(frozen=True)
class Workers:
    """Which workers are wanted.

    Attributes:
        scheduler: address of a running scheduler; None for workers of this computer.
        count: their number on this computer, None for as many as fit.
        gpus: one worker a GPU; of a running scheduler, those with the resource GPU.
    """

    scheduler: str | None = None
    count: int | None = None
    gpus: bool = False

    def check(self) -> None:
        """Raise InputError where they contradict each other."""
        if self.scheduler is not None and self.count is not None:
            raise InputError("The workers of a running scheduler are as many as they are; leave --workers out.")

    @property
    def resources(self) -> dict[str, float]:
        """What a row takes of a worker besides its thread."""
        return {GPU: 1} if self.gpus else {}

    @property
    def alone(self) -> Workers:
        """One worker with all memory of this computer; those of a running scheduler are as they are."""
        return self if self.scheduler is not None else replace(self, count=1)

    def number(self, memory_mib: float) -> int:
        """Number of workers on this computer for rows that need at most that much memory."""
        if not self.gpus:
            return self.count or workers_that_fit(memory_mib)
        import torch

        present = torch.cuda.device_count()
        if present == 0:
            raise DeviceError("--gpus was given, but PyTorch finds no NVIDIA GPU on this computer; leave it out.")
        return min(self.count or present, present)


class _Processes(LocalCluster):
    """Worker processes of this computer; each gets its share of the cores and, with gpus, a GPU of its own."""

    def __init__(self, count: int, gpus: bool, **options: Any) -> None:
        self._gpus = gpus
        super().__init__(n_workers=0, threads_per_worker=1, processes=True, **options)
        self.scale(count)

    def new_worker_spec(self) -> dict[Any, Any]:
        """One worker more, as SpecCluster asks for it."""
        spec: dict[Any, Any] = super().new_worker_spec()
        if not self._gpus:
            return spec
        for number, worker in spec.items():
            options = worker["options"]
            environment = {**options.get("env", {}), "CUDA_VISIBLE_DEVICES": str(number)}
            spec[number] = {**worker, "options": {**options, "env": environment, "resources": {GPU: 1}}}
        return spec

    def stop(self) -> None:
        """End the workers at once, whatever they are at; asked to, Dask waits seconds for the rows that are begun."""
        for nanny in self.workers.values():
            nanny.close_gracefully()
            if nanny.pid:
                with suppress(psutil.NoSuchProcess):
                    psutil.Process(nanny.pid).kill()


@contextmanager
def opened(workers: Workers, memory_mib: float) -> Iterator[Client]:
    """Yield a client of the workers; those of this computer begin and end with it.

    Args:
        workers: which.
        memory_mib: what the largest row needs; as many workers begin as have that.

    Raises:
        InputError: no scheduler at that address, or no worker that has this version of SSPE.
        DeviceError: no GPU.
    """
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with dask.config.set(CONFIGURATION):
        if workers.scheduler is not None:
            with _connected(workers.scheduler) as client:
                yield client
            return
        count = workers.number(memory_mib)
        threads = str(max(1, cores() // count))
        with (
            _quiet(),
            _Processes(
                count,
                workers.gpus,
                memory_limit=int(memory_for_workers_mib() / count * 2**20),
                host="127.0.0.1",
                silence_logs=logging.CRITICAL,
                env={"OMP_NUM_THREADS": threads, "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": threads},
            ) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            try:
                yield client
            except BaseException:
                cluster.stop()
                raise


def biggest_host(client: Client) -> str:
    """The host of the worker that has most memory."""
    client.wait_for_workers(1, timeout=FIRST_WORKER_SECONDS)
    known = client.scheduler_info(n_workers=-1)["workers"]
    return str(max(known.values(), key=lambda worker: worker["memory_limit"] or 0)["host"])


@contextmanager
def _connected(address: str) -> Iterator[Client]:
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise InputError(
            f"No Dask scheduler answers at {address}; start one with 'dask scheduler' or check the address."
        ) from error
    try:
        _check_workers(client, address)
        yield client
    finally:
        # Where the scheduler has died there is no one to say goodbye to.
        client.close(timeout=2)


def _check_workers(client: Client, address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=FIRST_WORKER_SECONDS)
        [first, *_] = client.scheduler_info(n_workers=-1)["workers"]
        [version] = client.run(_version, workers=[first], on_error="return").values()
    except (TimeoutError, ValueError) as error:
        raise InputError(f"The scheduler {address} has no worker; start some with 'dask worker {address}'.") from error
    if isinstance(version, ModuleNotFoundError):
        raise InputError(
            f"The worker {first} has no package {version.name}; install sspe[cohort] there, in the version here "
            f"({__version__})."
        )
    if isinstance(version, str) and version != __version__:
        raise InputError(f"The worker {first} has SSPE {version}, and here is {__version__}; install the same on both.")


def _version() -> str:
    return __version__


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Dask's warning that its dashboard found its usual port taken; the one it took is told anyway."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Port .* is already in use")
        yield
