"""The benchmark of merging: bodies cut in two or three, registered or with the known transform, merged, compared."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from SSPELib import tasks
from SSPELib.alignment import Alignment
from SSPELib.errors import InputError, SSPEError
from SSPELib.io import read_volume
from SSPELib.merging import MergedFrom
from SSPELib.options import MergeOptions, RegisterOptions
from SSPELib.poses import Matrix, matrix_of, mean_distance, to_transform
from SSPELib.progress import Progress, silent
from SSPELib.stitching.joining import SEVERAL, SYNTHETIC, join
from SSPELib.volume import Volume
from SSPELib.volume.points import body_points

from ..registration.people import ORGANS, labels_of
from ..registration.run import patient_of
from ..rows import RowTable
from .cases import Body, make_body
from .measures import ALL, Difference, covered_share, dice_there_and_back, differences

KNOWN, REGISTERED = "known", "registered"
NONE = float("nan")


@dataclass(frozen=True)
class Setting:
    """One body to be cut, put together again and compared.

    Attributes:
        patient, path: the uncut volume.
        parts: 2 or 3.
        overlap_mm: of neighbors, negative for a gap, which is filled.
        transform: KNOWN or REGISTERED.
    """

    patient: str
    path: Path
    parts: int
    overlap_mm: float
    transform: str

    @property
    def key(self) -> tuple[str, float, float, str]:
        """What makes it the only one of its kind."""
        return self.patient, float(self.parts), self.overlap_mm, self.transform

    @property
    def seed(self) -> int:
        """The same parts whether the transform is known or not."""
        return zlib.crc32(f"{self.patient} {self.parts} {self.overlap_mm:g}".encode())


@dataclass(frozen=True)
class Row:
    """A region of a merged volume against the uncut one, or an organ's labels that were carried.

    Attributes:
        region: fixed alone, moving alone, seam, filled gap, all, or an organ.
        error_mm: largest mean error of a transform over the body points of its part; 0 where it is the known one.
        reliable: the verdict on all registrations.
        covered_share: of the uncut body, by all regions together.
        body_ml, mean_hu, percentile_95_hu, bias_hu, air_share: see `measures.Difference`; NaN of organs.
        dice_there, dice_back: see `measures.dice_there_and_back`; NaN of regions.
        failure: why there is nothing to compare.
    """

    patient: str
    parts: float
    overlap_mm: float
    transform: str
    region: str
    error_mm: float = NONE
    reliable: str = "false"
    covered_share: float = NONE
    body_ml: float = NONE
    mean_hu: float = NONE
    percentile_95_hu: float = NONE
    bias_hu: float = NONE
    air_share: float = NONE
    dice_there: float = NONE
    dice_back: float = NONE
    failure: str = ""

    @property
    def key(self) -> tuple[str, float, float, str, str]:
        """What makes a row the only one of its kind."""
        return self.patient, self.parts, self.overlap_mm, self.transform, self.region


@dataclass(frozen=True, eq=False)
class Joined:
    """What became of the parts.

    Attributes:
        volume: the merged volume.
        regions: its voxels (z, y, x) by name.
        poses: (4, 4) of each part, uncut points to points of the part, as they were used.
        reliable: the verdict.
    """

    volume: Volume
    regions: Mapping[str, NDArray[np.bool_]]
    poses: Sequence[Matrix]
    reliable: bool


def run(
    cases: Sequence[Setting], table: Path, model: str | None, device: str, progress: Progress = silent
) -> list[Row]:
    """Do all cases; rows are appended to a CSV at once, and cases that are in it are not done again.

    Raises:
        InputError: the table is no table of this benchmark.
    """
    done = RowTable(table, Row)
    for number, setting in enumerate(cases):
        if (*setting.key, ALL) in done:
            continue
        progress(number / len(cases), f"{setting.patient}: {setting.parts} parts, {setting.overlap_mm:g} mm")
        try:
            volume = read_volume(setting.path)
            body = make_body(volume, setting.parts, setting.overlap_mm, setting.seed)
        except InputError:
            # Too short for so many parts.
            continue
        for row in _rows(setting, body, model, device):
            done.add(row)
    progress(1.0, "Done")
    return done.rows


def _rows(setting: Setting, body: Body, model: str | None, device: str) -> list[Row]:
    try:
        joined = _joined(setting, body, model, device)
    except SSPEError as error:
        return [Row(*setting.key, ALL, failure=str(error))]
    error_mm = max(
        mean_distance(found, true, _points_of(part, true))
        for found, true, part in zip(joined.poses[1:], body.poses[1:], body.parts[1:], strict=True)
    )
    covered = covered_share(body.whole, joined.volume, joined.regions[ALL])
    case = (round(error_mm, 3), str(joined.reliable).lower(), round(covered, 5))
    rows = [
        Row(*setting.key, region, *case, **_rounded(difference))
        for region, difference in differences(body.whole, joined.volume, joined.regions).items()
    ]
    try:
        labels = read_volume(labels_of(setting.path))
    except InputError:
        labels = None
    if labels is not None and setting.parts == 2:
        pose = joined.poses[1]
        dice = dice_there_and_back(labels, body.parts[0], body.parts[1], body.poses[1], pose)
        for label, (there, back) in dice.items():
            organ = ORGANS[label - 1] if label <= len(ORGANS) else f"label {label}"
            rows.append(Row(*setting.key, organ, *case, dice_there=round(there, 4), dice_back=round(back, 4)))
    # The row by which a case counts as done comes last.
    return sorted(rows, key=lambda row: row.region == ALL)


def _joined(setting: Setting, body: Body, model: str | None, device: str) -> Joined:
    """Put the parts together; they are registered with noise of their own, and merged without."""
    options = MergeOptions(fill_gap=True, accept_unreliable=True, model=model, device=device)  # type: ignore[arg-type]
    registering = RegisterOptions(model=model, device=device)  # type: ignore[arg-type]
    noisy = body.noisy(setting.seed)
    poses: list[Matrix] = list(body.poses)
    reliable = True
    if setting.parts == 2:
        if setting.transform == REGISTERED:
            found = tasks.register(noisy[0], noisy[1], registering).registration
            poses[1], reliable = matrix_of(found.transform), bool(found.reliable)
        alignment = Alignment(to_transform(poses[1]), reliable=reliable)
        merged = tasks.merge(body.parts[0], body.parts[1], alignment, options)
        return Joined(merged.volume, _regions(merged.sources, MergedFrom.BOTH, MergedFrom.SYNTHETIC), poses, reliable)
    if setting.transform == REGISTERED:
        # The first part gives the frame, the others come in no order.
        order = [0, *range(len(noisy) - 1, 0, -1)]
        network = tasks.stitch([noisy[index] for index in order], registering, MergeOptions(), keep_going=True).network
        if network.left_out:
            raise InputError(f"{len(network.left_out)} of {len(noisy)} parts were left out.")
        poses = [network.poses[order.index(index)] for index in range(len(noisy))]
        reliable = network.verdict.reliable is True
    whole = join(body.parts, {number: np.asarray(pose) for number, pose in enumerate(poses)}, options)
    return Joined(whole.volume, _regions(whole.sources, SEVERAL, SYNTHETIC), poses, reliable)


def _regions(sources: NDArray[np.uint8], both: int, synthetic: int) -> dict[str, NDArray[np.bool_]]:
    return {
        "fixed alone": sources == MergedFrom.FIXED,
        "moving alone": (sources >= MergedFrom.MOVING) & (sources < both),
        "seam": sources == both,
        "filled gap": sources == synthetic,
        ALL: sources != MergedFrom.NO_DATA,
    }


def _points_of(part: Volume, pose: Matrix) -> NDArray[np.float64]:
    """Body points (n, 3) of a part where they were in the uncut body, LPS mm."""
    back = np.linalg.inv(pose)
    return np.asarray(body_points(part) @ back[:3, :3].T + back[:3, 3])


def _rounded(one: Difference) -> dict[str, Any]:
    return {name: float(f"{value:.6g}") for name, value in asdict(one).items()}


def settings(paths: Sequence[Path], parts: Sequence[int], overlaps_mm: Sequence[float], how: str) -> list[Setting]:
    """All cases, patients in the outer order so that an early stop leaves whole patients."""
    return [
        Setting(patient_of(path), path, count, overlap, how)
        for path in paths
        for count in parts
        for overlap in overlaps_mm
        # A gap is filled between two; three parts are stitched where they overlap.
        if count == 2 or overlap > 0
    ]
