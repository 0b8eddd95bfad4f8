"""Does a cohort survive what kills its processes? Run: python Testing/Cohorts/kill_trial.py --rows 1000

A scheduler, workers and a client of their own do quick rows; after a few more rows each time, one of them at random is
killed (SIGKILL) and begun anew, as a service manager and a person would. In the end every row must be there once,
whole, and not done again after it was done.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import SimpleITK as sitk
from stand_ins import journal, quick, whole

from SSPECohort.batch import run_batch
from SSPECohort.cluster import Workers
from SSPECohort.manifest import read_manifest
from SSPECohort.plan import make_plan
from SSPECohort.record import Record
from SSPECohort.store import Store
from SSPELib.cli.app import BAD_INPUT
from SSPELib.errors import InputError

HERE = Path(__file__).resolve().parent
MOMENT_SECONDS = 0.3
LOCAL = "local"


@dataclass
class Toll:
    """What a trial took and found."""

    seconds: float = 0.0
    kills: Counter[str] = field(default_factory=Counter)
    begun: int = 0
    faults: list[str] = field(default_factory=list)


def write_manifest(folder: Path, rows: int, bad: int = 0) -> Path:
    """Write a manifest of so many rows, all of two small volumes; so many of them cannot be done."""
    for name in ("fixed.nii", "moving.nii"):
        sitk.WriteImage(sitk.Image([8, 8, 8], sitk.sitkInt16), str(folder / name))
    names = [*(f"row-{number:04d}" for number in range(rows - bad)), *(f"bad-{number}" for number in range(bad))]
    manifest = folder / "manifest.csv"
    manifest.write_text("name,fixed,moving\n" + "".join(f"{name},fixed.nii,moving.nii\n" for name in names))
    return manifest


def run_client(manifest: Path, output: Path, scheduler: str) -> list[Record]:
    """Be the client: do the quick rows of a manifest with the scheduler at an address, or with two workers here."""
    workers = Workers(count=2) if scheduler == LOCAL else Workers(scheduler)
    return run_batch(make_plan(read_manifest(manifest)), Store(output), workers, work=quick)


def client_command(manifest: Path, output: Path, scheduler: str = LOCAL) -> list[str]:
    """How a client in a process of its own is begun."""
    return [sys.executable, __file__, "--client", str(manifest), str(output), scheduler]


def try_out(folder: Path, rows: int, workers: int, seed: int, rows_a_kill: int) -> Toll:
    """Have rows done while processes die, until the client comes to its end; return what that took.

    Args:
        folder: for manifest, results and logs.
        rows: their number; a thirtieth of them fails.
        workers: number of worker processes.
        seed: of who is killed and when.
        rows_a_kill: so many rows begin, on the mean, between one kill and the next.
    """
    manifest, output = write_manifest(folder, rows, bad=rows // 30), folder / "results"
    scheduler = f"tcp://127.0.0.1:{_free_port()}"
    commands = {
        "scheduler": _dask("scheduler", "--host", scheduler, "--no-dashboard"),
        **{
            f"worker {number}": _dask(
                "worker", scheduler, "--nthreads", "1", "--no-dashboard", "--no-nanny", "--local-directory",
                str(folder / "scratch"),
            )
            for number in range(workers)
        },
        "client": client_command(manifest, output, scheduler),
    }  # fmt: skip
    toll, chance, started = Toll(), random.Random(seed), time.monotonic()
    processes: dict[str, subprocess.Popen[bytes]] = {}
    try:
        begun_at_kill = rows_a_kill
        while (faults := _ended(processes.get("client"))) is None:
            for name, command in commands.items():
                if name not in processes or processes[name].poll() is not None:
                    processes[name] = begun(command, folder / f"{name}.log")
            if len(journal(output)) // 2 >= begun_at_kill:
                time.sleep(chance.uniform(0.0, MOMENT_SECONDS))
                name = chance.choice(list(processes))
                processes[name].kill()
                toll.kills[name.split()[0]] += 1
                begun_at_kill = len(journal(output)) // 2 + chance.randint(1, 2 * rows_a_kill)
            time.sleep(0.05)
        toll.faults = [*faults, *faults_of(manifest, output)]
    finally:
        for process in processes.values():
            process.kill()
            process.wait()
    toll.seconds = time.monotonic() - started
    toll.begun = sum(event == "begun" for event, _ in journal(output))
    return toll


def faults_of(manifest: Path, output: Path) -> list[str]:
    """Whatever is not as it must be when all rows of a manifest are through."""
    names = [row.name for row in read_manifest(manifest).rows if not row.name.startswith("bad")]
    events = journal(output)
    faults = [f"{name} was begun after it was done" for event, name in events if event == "twice"]
    present = {folder.name for folder in (output / "rows").iterdir()}
    faults += [f"{name} is missing" for name in names if name not in present]
    faults += [f"{name} is too much" for name in present if name not in names]
    faults += [f"{name} is not whole" for name in present if not whole(output / "rows" / name)]
    faults += [f"{left.name} was left" for left in (output / ".sspe-batch").iterdir() if left.name != "client.lock"]
    table = (output / "results.csv").read_text().count("\n") - 1
    if table != len(read_manifest(manifest).rows):
        faults.append(f"the table has {table} rows")
    return faults


def _ended(client: subprocess.Popen[bytes] | None) -> list[str] | None:
    """Faults of a client that came to its end; None while it works, was killed, or asks to be run again."""
    code = None if client is None else client.poll()
    if code in (None, -signal.SIGKILL, BAD_INPUT):
        return None
    return [] if code == 0 else [f"the client ended with code {code}"]


def _dask(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "dask", *arguments]


def begun(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    """Begin a process that writes to a log, and that heeds Ctrl-C even where this one, in the background, does not."""
    paths = os.pathsep.join([str(HERE), str(HERE.parents[1] / "SSPEExtension")])
    with log.open("ab") as stream:
        return subprocess.Popen(
            command,
            stdout=stream,
            stderr=stream,
            env={**os.environ, "PYTHONPATH": paths},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def main() -> int:
    """Run a trial and print its toll; exit code 1 where anything was lost, double or half."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows-a-kill", type=int, default=20)
    parser.add_argument("--client", nargs=3, metavar=("MANIFEST", "OUTPUT", "SCHEDULER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.client:
        manifest, output, scheduler = given.client
        try:
            run_client(Path(manifest), Path(output), scheduler)
        except InputError as error:
            print(error, file=sys.stderr)
            return BAD_INPUT
        return 0
    with tempfile.TemporaryDirectory() as folder:
        toll = try_out(Path(folder), given.rows, given.workers, given.seed, given.rows_a_kill)
    killed = ", ".join(f"{name} {count}" for name, count in sorted(toll.kills.items()))
    print(f"{given.rows} rows in {toll.seconds:.0f} s, {toll.begun} tries; killed: {killed}.")
    print("\n".join(toll.faults) or "Nothing lost, nothing double, nothing half.")
    return 1 if toll.faults else 0


if __name__ == "__main__":
    sys.exit(main())
