"""Two persons, as in the paper: the upper part of one and the lower part of the other, judged by their organs.

No transform is true between two persons. What an affine from the parts is worth is told by how near it brings organs of
one to those of the other, and to where an affine found from both whole volumes brings them.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from SSPELib.errors import InputError
from SSPELib.io import read_volume
from SSPELib.poses import Matrix, about, apply, matrix_of, nearest_rotation, to_transform
from SSPELib.progress import Progress, silent
from SSPELib.registration.backends import as_type
from SSPELib.volume import Volume
from SSPELib.volume.points import at_indices, body_points

from ..rows import RowTable
from .attempt import Outcome, attempt
from .cases import Start, beneath, cut, random_motion
from .run import patient_of
from .scans import moved
from .systems import Answer, Known, System

ORGANS = ("brainstem", "spinal cord", "right parotid", "left parotid", "oesophagus", "larynx", "mandible")
# Cord and oesophagus end where whoever drew them stopped, which moves their centroids.
LANDMARKS = ("brainstem", "right parotid", "left parotid", "larynx", "mandible")
WHOLE = "whole volumes"
DISTANCES = ("centroid_to_own_mm", "surface_to_own_mm", "centroid_to_whole_mm", "surface_to_whole_mm")
SURFACE_MM = 2.0


@dataclass(frozen=True)
class OrganRow(Outcome):
    """Distances of the moving person's organ, brought by a system, from the fixed person's and from where the whole
    volumes bring it, mm; NaN where the system gave no transform."""

    system: str
    patients: str
    overlap_mm: float
    start: str
    organ: str
    centroid_to_own_mm: float
    surface_to_own_mm: float
    centroid_to_whole_mm: float
    surface_to_whole_mm: float

    @property
    def key(self) -> tuple[str, str, float, str, str]:
        """What makes a row the only one of its kind."""
        return self.system, self.patients, self.overlap_mm, self.start, self.organ


@dataclass(frozen=True, eq=False)
class People:
    """Two whole volumes with label maps, and the affine (4, 4) from points of the first to those of the second."""

    volumes: tuple[Volume, Volume]
    labels: tuple[Volume, Volume]
    whole: Matrix

    @classmethod
    def read(cls, paths: tuple[Path, Path]) -> People:
        """Read volumes and label maps and find the affine.

        Raises:
            InputError: a file is missing or unusable, or fewer than three landmark organs are common.
        """
        one, other = (read_volume(path) for path in paths)
        own, others = (read_volume(labels_of(path)) for path in paths)
        return cls((one, other), (own, others), whole_pose(one, other, own, others))

    def parts(self, overlap_mm: float, start: Start, seed: int) -> tuple[Volume, Volume, Matrix]:
        """Upper part of the first, lower part of the second, moved, and how (4, 4) all of the second was moved.

        By the whole volumes the parts overlap as wanted, and the headers are off by the motion of such a start alone.

        Raises:
            InputError: a volume is too short.
        """
        random = np.random.default_rng(seed)
        upper, below, _ = cut(self.volumes[0], overlap_mm, random)
        lower = beneath(self.volumes[1], self.whole, below)
        center = apply(np.linalg.inv(self.whole), body_points(lower).mean(axis=0)[None])[0]
        shift = apply(self.whole, center[None])[0] - center
        rigid = about(nearest_rotation(self.whole[:3, :3]), center, shift)
        motion = random_motion(random, center, start) @ np.linalg.inv(rigid)
        return upper, moved(lower, motion), motion


def run(
    paths: Sequence[Path],
    overlaps_mm: Sequence[float],
    start: Start,
    systems: Sequence[System],
    table: Path,
    progress: Progress = silent,
) -> list[OrganRow]:
    """Give each two consecutive persons to all systems; rows are appended to a CSV at once, and not made again.

    Returns:
        All rows in the table; those of the system WHOLE say what the whole volumes bring.

    Raises:
        InputError: the table is no table of this benchmark, or a label map is missing.
    """
    done = RowTable(table, OrganRow)
    cases = list(product(pairwise(paths), overlaps_mm))
    for number, (pair, overlap_mm) in enumerate(cases):
        patients = " and ".join(map(patient_of, pair))
        where = (patients, overlap_mm, start)
        organs = common_organs(*(read_volume(labels_of(path)) for path in pair))
        names = (WHOLE, *(system.name for system in systems))
        missing = {name: [organ for organ in organs if (name, *where, organ) not in done] for name in names}
        if not any(missing.values()):
            continue
        progress(number / len(cases), f"{WHOLE}: {patients}")
        try:
            people = People.read(pair)
            fixed, moving, motion = people.parts(overlap_mm, start, zlib.crc32(" ".join(map(str, where)).encode()))
        except InputError:
            # Too short, or too few organs in common.
            continue
        whole = Known(WHOLE, to_transform(motion @ people.whole))
        for system in (system for system in (whole, *systems) if missing[system.name]):
            progress(number / len(cases), f"{system.name}: {patients}")
            tried = attempt(system, fixed, moving, start)
            for organ in missing[system.name]:
                apart = distances(people, organs[organ], motion, tried.answer)
                done.add(OrganRow(system.name, patients, overlap_mm, start, organ, **apart, **tried.columns()))
    progress(1.0, "Done")
    return done.rows


def labels_of(path: Path) -> Path:
    """The label map beside a volume: pt_1_labels.nii.gz for pt_1_ct.nii.gz.

    Raises:
        InputError: there is none.
    """
    labels = path.with_name(path.name.replace("_ct.", "_labels."))
    if labels == path or not labels.exists():
        raise InputError(f"{path} has no label map; give NAME_ct.nii.gz with NAME_labels.nii.gz beside it.")
    return labels


def common_organs(own: Volume, other: Volume) -> dict[str, int]:
    """Names and labels of the organs that both label maps have."""
    both = set(np.unique(own.array).tolist()) & set(np.unique(other.array).tolist())
    return {name: label for label, name in enumerate(ORGANS, 1) if label in both}


def places(labels: Volume, label: int) -> NDArray[np.float64]:
    """Voxel centers (n, 3) of a label, LPS mm."""
    return at_indices(labels, np.argwhere(labels.array == label)[:, ::-1].astype(np.float64))


def whole_pose(fixed: Volume, moving: Volume, own: Volume, other: Volume) -> Matrix:
    """Affine (4, 4), fixed to moving, from whole volumes: centroids of organs, then Mattes mutual information.

    It is found by SimpleITK alone, so that no result of this system is measured against this system.

    Raises:
        InputError: fewer than three organs of LANDMARKS are common to both.
    """
    common = [label for name, label in common_organs(own, other).items() if name in LANDMARKS]
    if len(common) < 3:
        raise InputError(f"{own.name} and {other.name} share {len(common)} of {', '.join(LANDMARKS)}; 3 are needed.")
    marks = [[x for label in common for x in places(labels, label).mean(axis=0)] for labels in (own, other)]
    start = sitk.LandmarkBasedTransformInitializer(sitk.VersorRigid3DTransform(), *marks)
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(50)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(0.2, 1)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(2.0, 0.01, 120, relaxationFactor=0.7)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([4, 2])
    method.SetSmoothingSigmasPerLevel([4, 2])
    affine = as_type(start, "affine")
    method.SetInitialTransform(affine, inPlace=True)
    method.Execute(*(sitk.Cast(volume.to_image(), sitk.sitkFloat32) for volume in (fixed, moving)))
    return matrix_of(affine)


def distances(people: People, label: int, motion: Matrix, answer: Answer | None) -> dict[str, Any]:
    """The DISTANCES of an organ, for an answer on persons of whom the second was moved by a motion (4, 4)."""
    if answer is None:
        return dict.fromkeys(DISTANCES, float("nan"))
    own, other = people.labels
    found = np.linalg.inv(motion) @ matrix_of(answer.transform)
    brought = [(found, other), (np.eye(4), own), (people.whole, other)]
    points = [apply(np.linalg.inv(pose), places(labels, label)) for pose, labels in brought]
    margin = 2 * max(*own.spacing, *other.spacing, SURFACE_MM)
    low, high = (limit(np.concatenate(points), axis=0) + sign * margin for limit, sign in ((np.min, -1), (np.max, 1)))
    grid = sitk.Image(np.ceil((high - low) / SURFACE_MM).astype(int).tolist(), sitk.sitkUInt8)
    grid.SetSpacing([SURFACE_MM] * 3)
    grid.SetOrigin(low.tolist())
    masks = []
    for pose, labels in brought:
        mask = labels.like((labels.array == label).astype(np.uint8)).to_image()
        masks.append(sitk.Resample(mask, grid, to_transform(pose), sitk.sitkNearestNeighbor))
    apart: list[float] = []
    for to in (1, 2):
        apart.append(float(np.linalg.norm(points[0].mean(axis=0) - points[to].mean(axis=0))))
        apart.append(surface_distance_mm(masks[0], masks[to]))
    return {name: round(value, 3) for name, value in zip(DISTANCES, apart, strict=True)}


def surface_distance_mm(one: sitk.Image, other: sitk.Image) -> float:
    """Mean symmetric distance of the surfaces of two masks (uint8) on one grid, mm."""
    surfaces = [sitk.LabelContour(mask) for mask in (one, other)]
    maps = [sitk.SignedMaurerDistanceMap(surface, False, False, True) for surface in surfaces]
    on, away = ([sitk.GetArrayFromImage(image) for image in images] for images in (surfaces, maps))
    return float(np.maximum(np.concatenate([away[1][on[0] > 0], away[0][on[1] > 0]]), 0.0).mean())


def markdown(rows: Sequence[OrganRow]) -> str:
    """Mean and standard deviation over pairs, by overlap, start, system and organ."""
    titles = " | ".join(name.removesuffix("_mm").replace("_", " ") + ", mm" for name in DISTANCES)
    lines = [f"| overlap, mm | start | system | organ | pairs | {titles} |", "|---" * 9 + "|"]
    groups: dict[tuple[float, str, str, str], list[list[float]]] = {}
    for row in sorted(rows, key=lambda row: (row.overlap_mm, row.start, row.system, ORGANS.index(row.organ))):
        group = groups.setdefault((row.overlap_mm, row.start, row.system, row.organ), [])
        group.append([getattr(row, name) for name in DISTANCES])
    for (overlap, start, system, organ), values in groups.items():
        known = [value for value in values if not np.isnan(value[0])]
        cells = [f"{np.mean(c):.1f} ± {np.std(c, ddof=min(1, len(c) - 1)):.1f}" for c in zip(*known, strict=True)]
        told = " | ".join(cells or ["no result"] * len(DISTANCES))
        lines.append(f"| {overlap:g} | {start} | {system} | {organ} | {len(known)} of {len(values)} | {told} |")
    return "\n".join(lines) + "\n"
