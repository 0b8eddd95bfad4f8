"""Do a tilted CT and one with uneven slices go through `sspe`? Run: python Testing/Clinical/real_series.py CT.nii.gz

The CT is scanned again, twice: its upper part, and after a small motion its lower part, both with a tilted gantry or in
slices 1 to 7 mm apart. The series are written as DICOM files; `sspe inspect`, `expand` and `register` read them, and
the mean error over body points of the lower part is printed.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Unit"))

from dicom_series import write_series

from SSPELib.cli.app import main as sspe
from SSPELib.io import read_volume
from SSPELib.poses import Matrix, apply, matrix_of, mean_distance, to_transform
from SSPELib.volume import AIR_HU, Volume, body_axis, body_mask
from SSPELib.volume.points import body_points
from SSPEResearch.evaluation.registration.cases import random_motion

EVEN_MM, GAPS_MM = 3.0, (1.0, 7.0)
SHORTEST_MM = 60.0


def scan(body: Volume, pose: Matrix, heights: NDArray[np.float64], tilt: float, folder: Path) -> Path:
    """Write a DICOM series of the body after a motion (4, 4), in slices at some heights (n,) of the table, mm.

    Args:
        body: upright, with axes along LPS.
        pose: body points to points of the scanner.
        heights: where the middles of the slices lie.
        tilt: of the gantry, radians.
        folder: to be made.
    """
    direction = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    size, spacing = (body.size[0], body.size[1], 1), (*body.spacing[:2], EVEN_MM)
    middle = body_points(body).mean(axis=0)
    corners = [np.array([*middle[:2], height]) - direction @ ((np.array(size) - 1) / 2 * spacing) for height in heights]
    back, image = to_transform(np.linalg.inv(pose)), sitk.Cast(body.to_image(), sitk.sitkFloat32)
    planes = [
        sitk.Resample(image, size, back, sitk.sitkLinear, corner.tolist(), spacing, direction.ravel().tolist(), AIR_HU)
        for corner in corners
    ]
    array = np.concatenate([np.rint(sitk.GetArrayFromImage(plane)) for plane in planes]).astype(np.int16)
    noise = np.random.default_rng(len(heights)).normal(0, 15, array.shape)
    array = np.clip(np.rint(array + noise), -1024, 3071).astype(np.int16)
    stack = Volume(array, spacing, tuple(corners[0]), direction)
    write_series(folder, stack, series=folder.name, positions=np.array(corners), SliceThickness=GAPS_MM[1])
    return folder


def heights_of(low: float, high: float, even: bool, random: np.random.Generator) -> NDArray[np.float64]:
    """Where slices lie from low to high, mm."""
    gaps = np.full(999, EVEN_MM) if even else random.uniform(*GAPS_MM, 999)
    heights = low + np.concatenate([[0.0], np.cumsum(gaps)])
    return np.asarray(heights[heights <= high])


def trial(path: Path, kind: str, overlap_mm: float, tilt: float, folder: Path) -> float:
    """Scan, expand and register; return the error, mm."""
    whole, random = read_volume(path), np.random.default_rng(5)
    if body_axis(whole).index != 2 or not np.allclose(np.abs(whole.direction), np.eye(3)):
        raise SystemExit(f"{path} is oblique; give a CT along the axes of the body.")
    even = kind == "tilted"
    angle = tilt if even else 0.0
    z = body_points(whole)[:, 2]
    # What a tilted slice reaches up and down; the whole CT shows the body there.
    reach = np.sin(abs(angle)) * np.ptp(body_points(whole)[:, 1]) / 2 + 10.0
    low, high = z.min() + reach, z.max() - reach
    middle = (low + high) / 2
    if high - low < 2 * SHORTEST_MM:
        raise SystemExit(f"{path} is too short for two parts; give a CT of {2 * (SHORTEST_MM + reach):.0f} mm.")
    truth = random_motion(random, body_points(whole).mean(axis=0), "near")
    upper = scan(whole, np.eye(4), heights_of(middle - overlap_mm / 2, high, even, random), angle, folder / "upper")
    lower = scan(whole, truth, heights_of(low, middle + overlap_mm / 2, even, random), angle, folder / "lower")
    run(["inspect", str(folder)])
    expanded, transform = folder / "expanded.nii.gz", folder / "found.tfm"
    run(["expand", str(upper), str(expanded), "--direction", "inferior"])
    run(["register", str(upper), str(lower), "--transform", str(transform)])
    grown = read_volume(expanded)
    print(f"expanded to {grown.size[2] * grown.spacing[2]:.0f} mm, {np.count_nonzero(body_mask(grown))} body voxels")
    points = apply(np.linalg.inv(truth), body_points(read_volume(lower)))
    return mean_distance(matrix_of(sitk.ReadTransform(str(transform))), truth, points)


def run(arguments: list[str]) -> None:
    """`sspe` with some arguments; end where it fails."""
    print(f"$ sspe {' '.join(arguments)}", flush=True)
    if sspe(arguments):
        raise SystemExit(f"sspe {arguments[0]} failed.")


def main(arguments: Sequence[str] | None = None) -> None:
    """Try both kinds of series."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("volume", type=Path, help="a real CT of 240 mm or more")
    parser.add_argument("--overlap", type=float, default=20.0, metavar="MM")
    parser.add_argument("--tilt", type=float, default=15.0, metavar="DEGREES")
    chosen = parser.parse_args(arguments)
    for kind in ("tilted", "uneven"):
        folder = Path(tempfile.mkdtemp(prefix=f"{kind}-"))
        error = trial(chosen.volume, kind, chosen.overlap, np.radians(chosen.tilt), folder)
        print(f"{kind}, {chosen.overlap:g} mm of overlap: {error:.2f} mm")
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
