"""Does a worker's memory stay flat? Run: python Testing/Cohorts/memory_trial.py --rows 200

One worker expands small bodies of three sizes, again and again, as rows of one batch; by a small network without
training, so that 200 rows take minutes, or by the bundled model (--bundled).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "Unit"), str(HERE.parents[1] / "SSPEExtension")]

from phantoms import torso, write  # noqa: E402

from SSPECohort.batch import run_batch  # noqa: E402
from SSPECohort.cluster import Workers  # noqa: E402
from SSPECohort.manifest import read_manifest  # noqa: E402
from SSPECohort.plan import make_plan  # noqa: E402
from SSPECohort.store import Store  # noqa: E402
from SSPELib.model.bundle import build_generator, load_bundle, save_bundle  # noqa: E402

WARM_UP_ROWS = 20
GROWTH_AT_MOST = 1.03
SIZES = {"small": (40, 32, 32), "middle": (52, 44, 40), "large": (64, 52, 48)}
STEP, ARGUMENTS = 8, {"base": 4, "depth": 2, "bottom_blocks": 1}


def small_model(folder: Path) -> Path:
    """A bundle with a network of few channels and random weights."""
    card = replace(load_bundle().card, name="small", arguments=ARGUMENTS, scope=(16, 16, 16), step=STEP)
    return save_bundle(folder, card, build_generator(card.architecture, STEP, ARGUMENTS).state_dict()).folder


def main() -> int:
    """Print the memory over the rows; exit code 1 where it grew by more than 3 percent."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--bundled", action="store_true")
    given = parser.parse_args()
    rows = given.rows
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name, size in SIZES.items():
            write(torso(size=size, spacing=(8.0, 8.0, 5.0)), folder / f"{name}.nii")
        model = "" if given.bundled else small_model(folder / "model")
        names = [f"{list(SIZES)[number % len(SIZES)]}.nii" for number in range(rows)]
        lines = [f"{name},4,{model}\n" for name in names]
        (folder / "manifest.csv").write_text("volume,distance_mm,model\n" + "".join(lines))
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
