"""Entry of the worker process: runs one job or one after the other; every failure becomes one error event."""

from __future__ import annotations

import gc
import os
import sys
import threading
from pathlib import Path
from typing import TextIO

from ..errors import SSPEError
from .channel import Channel
from .jobs import run_job

LONGEST_IDLE_S = 600.0
BAD_JOB = 2
BROKEN = 3


def main() -> int:
    """Run the job of the folder given as argument, or, without one, those that come on standard input."""
    channel = Channel(_events())
    threading.Thread(target=channel.listen, args=(sys.stdin,), daemon=True).start()
    if len(sys.argv) > 1:
        return _do(Path(sys.argv[1]), channel)
    for folder in channel.jobs(LONGEST_IDLE_S):
        if _do(folder, channel) == BROKEN:
            return BROKEN
        gc.collect()
    return 0


def _do(folder: Path, channel: Channel) -> int:
    """Run a job; returns 0, BAD_JOB where it could not be done, BROKEN where the process had better end."""
    try:
        channel.send("result", **run_job(folder, channel))
    except SSPEError as error:
        channel.send("error", message=str(error))
        return BAD_JOB
    except MemoryError:
        channel.send("error", message="The memory ran out. Close other programs, or crop the volumes, and try again.")
        return BROKEN
    except ModuleNotFoundError as error:
        advice = "Open the module SSPE and press the button that installs PyTorch."
        channel.send("error", message=f"The Python package {error.name} is missing. {advice}")
        return BROKEN
    except Exception as error:
        import traceback

        traceback.print_exc()
        channel.send("error", message=f"An error inside SSPE stopped the work: {type(error).__name__}: {error}")
        return BROKEN
    return 0


def _events() -> TextIO:
    """A file of its own for the events: whatever a library prints, in Python or beneath it, goes to standard error."""
    events = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="ascii", newline="\n")
    sys.stdout.flush()
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    sys.stdout = sys.stderr
    return events


if __name__ == "__main__":
    sys.exit(main())
