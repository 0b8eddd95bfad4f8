"""What a worker does with a row: claim it, work, publish."""

from __future__ import annotations

import gc
import os
import socket
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import psutil

from SSPELib.errors import SSPEError

from .record import Outcome, Record, failed
from .row import Row
from .store import Store

Work = Callable[[Row, Path], Outcome]
"""Does a row, writes its files into a folder, and tells what it found."""


def settle(row: Row, folder: str, work: Work) -> Record:
    """Do a row unless it is done, and return what became of it.

    Raises:
        OSError, MemoryError: may pass, so that another try makes sense.
    """
    store = Store(Path(folder))
    started = time.monotonic()
    try:
        with store.claimed(row) as place:
            done = store.record(row)
            if done is None:
                outcome = work(row, place)
                # Figures are cycles, which Python would let pile up for hundreds of rows.
                gc.collect()
                done = Record(
                    name=row.name,
                    status="done",
                    row=row,
                    outcome=outcome,
                    seconds=time.monotonic() - started,
                    memory_mib=psutil.Process().memory_info().rss / 2**20,
                    worker=f"{socket.gethostname()}:{os.getpid()}",
                    finished=datetime.now(timezone.utc).isoformat(timespec="seconds"),
                )
                store.publish(done, place)
            return done
    except SSPEError as error:
        return failed(row, str(error))
    except Exception as error:
        if _may_pass(error):
            raise
        return failed(row, unforeseen(error))


def unforeseen(error: BaseException) -> str:
    """Words for an error that no one has foreseen."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _may_pass(error: Exception) -> bool:
    from SSPELib.model.device import is_out_of_memory

    return isinstance(error, (OSError, MemoryError)) or is_out_of_memory(error)
