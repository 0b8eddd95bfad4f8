"""How many workers are fastest? Run: python Testing/Cohorts/workers_trial.py --rows 6

The same pairs, two parts of the demo's CT with 256 voxels in plane, are registered as a cohort by one worker that has
all cores, by two that share them, and so on. The default of sspe batch is a worker for each core.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1] / "SSPEExtension")]

from SSPECohort.batch import run_batch  # noqa: E402
from SSPECohort.cluster import Workers  # noqa: E402
from SSPECohort.manifest import read_manifest  # noqa: E402
from SSPECohort.plan import cores, make_plan  # noqa: E402
from SSPECohort.store import Store  # noqa: E402
from SSPEResearch.evaluation.speed.inputs import body, resized, write_pair  # noqa: E402

IN_PLANE = 256
OVERLAPS_MM = (0.0, 20.0, 40.0)


def main() -> int:
    """Print rows an hour and memory for each number of workers; exit code 1 where a row failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=6)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, cores()])
    given = parser.parse_args()
    failures = 0
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        volume = resized(body(quick=False).volume, in_plane=IN_PLANE)
        pairs = [write_pair(volume, folder, overlap, "near") for overlap in OVERLAPS_MM]
        lines = [f"{fixed.name},{moving.name}\n" for fixed, moving in pairs]
        rows = [lines[number % len(lines)] for number in range(given.rows)]
        (folder / "manifest.csv").write_text("fixed,moving\n" + "".join(rows))
        plan = make_plan(read_manifest(folder / "manifest.csv"))
        for count in given.workers:
            began = time.monotonic()
            records = run_batch(plan, Store(folder / f"results-{count}"), Workers(count=count))
            lasted = time.monotonic() - began
            done = [one for one in records if one.memory_mib is not None and one.seconds]
            lost = [f"{one.name}: {one.reason}" for one in records if one not in done]
            failures += len(lost)
            memory = max((one.memory_mib or 0.0 for one in done), default=0.0)
            each = sum(one.seconds or 0.0 for one in done) / max(len(done), 1)
            print(
                f"{count} workers: {len(done)} of {given.rows} rows in {lasted:.1f} s, {3600 * len(done) / lasted:.0f} "
                f"an hour; {each:.1f} s and at most {memory:.0f} MiB a row",
                *lost,
                sep="\n",
                flush=True,
            )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
