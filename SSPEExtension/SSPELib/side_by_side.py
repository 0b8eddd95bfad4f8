"""Independent pieces of work on all cores at once: each alone is too small for torch to keep two cores busy."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

import torch

from .errors import Cancelled
from .progress import Progress

Item = TypeVar("Item")
Result = TypeVar("Result")

LONGEST_SILENCE_S = 0.2


def side_by_side(
    work: Callable[[Item, Progress], Result],
    items: Iterable[Item],
    progress: Progress,
    message: str,
    device: torch.device | None = None,
) -> list[Result]:
    """The results of all items in their order, from as many threads as torch has; from one for work on a GPU.

    Args:
        work: gets an item and a callback that it should call often with the share that is done, which raises
            `Cancelled` when all is to end.
        items: what to work on.
        progress: told of in this thread only; may raise `Cancelled`, which ends the work begun and is passed on.
        message: what it is told.
        device: where the work is done; a CPU where none is given.
    """
    threads = torch.get_num_threads()
    stop = threading.Event()
    items = list(items)
    done = [0.0] * len(items)

    def run(number: int) -> Result:
        def tick(fraction: float, message: str) -> None:
            if stop.is_set():
                raise Cancelled
            done[number] = max(done[number], fraction)

        result = work(items[number], tick)
        done[number] = 1.0
        return result

    results = []
    workers = threads if device is None or device.type == "cpu" else 1
    pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))
    try:
        futures = [pool.submit(run, number) for number in range(len(items))]
        progress(0.0, message)
        for future in futures:
            while not wait([future], LONGEST_SILENCE_S).done:
                progress(sum(done) / len(done), message)
            results.append(future.result())
            progress(sum(done) / len(done), message)
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)
    return results
