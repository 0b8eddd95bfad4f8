"""Does a worker's memory stay flat? Run: python Testing/Cohorts/memory_trial.py --rows 200

One worker expands a small body by the bundled model, again and again, as rows of one batch.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "Unit"), str(HERE.parents[1] / "SSPEExtension")]

from phantoms import torso, write  # noqa: E402

from SSPECohort.batch import run_batch  # noqa: E402
from SSPECohort.cluster import Workers  # noqa: E402
from SSPECohort.manifest import read_manifest  # noqa: E402
from SSPECohort.plan import make_plan  # noqa: E402
from SSPECohort.store import Store  # noqa: E402

WARM_UP_ROWS = 20
GROWTH_AT_MOST = 1.03


def main() -> int:
    """Print the memory over the rows; exit code 1 where it grew by more than 3 percent."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write(torso(size=(40, 32, 32), spacing=(9.0, 9.0, 5.0)), folder / "torso.nii")
        (folder / "manifest.csv").write_text("volume,distance_mm\n" + "torso.nii,4\n" * rows)
        plan = make_plan(read_manifest(folder / "manifest.csv"))
        records = run_batch(plan, Store(folder / "results"), Workers(count=1))
    done = sorted((one for one in records if one.memory_mib is not None), key=lambda one: (one.finished, one.name))
    memory = [one.memory_mib for one in done if one.memory_mib is not None]
    step = max(1, rows // 10)
    print(f"{len(memory)} of {rows} rows done. MiB after every {step} rows: {[round(mib) for mib in memory[::step]]}")
    early = statistics.median(memory[WARM_UP_ROWS : 2 * WARM_UP_ROWS])
    late = statistics.median(memory[-WARM_UP_ROWS:])
    print(f"Rows {WARM_UP_ROWS} to {2 * WARM_UP_ROWS}: {early:.0f} MiB; the last {WARM_UP_ROWS}: {late:.0f} MiB.")
    return 0 if len(memory) == rows and late <= GROWTH_AT_MOST * early else 1


if __name__ == "__main__":
    sys.exit(main())
