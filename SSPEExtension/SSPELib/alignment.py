"""A transform in hand, and what is known of it: the scans that it joins and whether it may be relied on."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from .errors import InputError
from .poses import matrix_of, to_transform
from .verdict import Verdict

Role = Literal["fixed", "moving"]
REPORT_BYTES_AT_MOST = 4_000_000
SAME_MATRIX_MM = 1e-3


@dataclass(frozen=True, eq=False)
class Alignment:
    """A linear transform between the scans of one body.

    Attributes:
        transform: maps fixed points to moving points, LPS mm.
        name: where it came from, for messages.
        reliable: the verdict of its registration, None where none is known.
        reasons: why, in words.
        frames: DICOM frame of reference UID of "fixed" and "moving", where known.
        files: names of the "fixed" and "moving" scan, where known.
        grids: geometry of the "fixed" and "moving" scan, where known: size, spacing (x, y, z), origin, direction.
        expected_error_mm, error_bound_mm: what the registration said of its error, mm; None where nothing is known.
    """

    transform: sitk.Transform
    name: str = "the transform"
    reliable: bool | None = None
    reasons: tuple[str, ...] = ()
    frames: dict[Role, str] = field(default_factory=dict)
    files: dict[Role, str] = field(default_factory=dict)
    grids: dict[Role, dict[str, Any]] = field(default_factory=dict)
    expected_error_mm: float | None = None
    error_bound_mm: float | None = None

    @property
    def verdict(self) -> Verdict:
        """How far the transform may be trusted."""
        return Verdict(self.reliable, self.expected_error_mm, self.error_bound_mm, self.reasons)

    @property
    def inverse(self) -> Alignment:
        """The same alignment with fixed and moving exchanged."""
        return replace(
            self,
            transform=self.transform.GetInverse(),
            frames=_exchanged(self.frames),
            files=_exchanged(self.files),
            grids=_exchanged(self.grids),
        )

    def check_frame(self, role: Role, frame: str | None, name: str) -> None:
        """Raise InputError where a data set of a known frame of reference is not of the frame that has a role here."""
        expected = self.frames.get(role)
        if frame is None or expected is None or frame == expected:
            return
        other = next((one for one, uid in self.frames.items() if uid == frame), None)
        if other is not None:
            way_out = (
                f"it lies in the frame of the {other} scan; exchange the scans, or carry the other way (--inverse)"
            )
        else:
            way_out = f"choose data of the {role} scan, or the transform of this scan"
        raise InputError(
            f"{name} has the frame of reference {frame}, but {self.name} was found for a {role} scan of frame "
            f"{expected}: {way_out}."
        )

    def check_grid(self, role: Role, grid: dict[str, Any], name: str) -> list[str]:
        """Warn where a scan has another grid than the one that the transform was found for."""
        expected = self.grids.get(role)
        if expected is None or same_grid(grid, expected):
            return []
        return [
            f"{name} has another grid than the {role} scan that {self.name} was found for "
            f"({self.files.get(role, 'unknown')}); make sure that it is the same scan."
        ]


def grid_of(image: Any) -> dict[str, Any]:
    """Geometry of a volume as plain numbers: size, spacing and origin (x, y, z), direction (3, 3), LPS mm."""
    return {
        "size": [int(count) for count in image.size],
        "spacing": [float(value) for value in image.spacing],
        "origin": [float(value) for value in image.origin],
        "direction": np.asarray(image.direction, dtype=np.float64).tolist(),
    }


def same_grid(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two grids hold the same voxels at the same places, to a thousandth of a millimeter."""
    return one["size"] == other["size"] and all(
        np.allclose(one[key], other[key], atol=1e-3) for key in ("spacing", "origin", "direction")
    )


def read_alignment(path: str | PathLike[str], report: Path | None = None) -> Alignment:
    """Read a transform with what is known of it.

    Args:
        path: an ITK transform (.tfm, .h5, .txt), fixed to moving points, or a DICOM spatial registration (.dcm).
        report: the JSON that `sspe register --report` wrote; where none is given, one beside the transform that holds
            the same matrix is taken.

    Raises:
        InputError: missing, damaged, not linear, or a report of another transform.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} does not exist; give the transform that sspe register wrote.")
    found = _read_dicom(path) if path.suffix.lower() == ".dcm" else Alignment(_read_transform(path), str(path))
    described = _described(path, found.transform, report)
    if described is None:
        return found
    return Alignment(
        found.transform,
        found.name,
        described.get("reliable"),
        tuple(described.get("reasons", ())),
        found.frames or _by_role(described.get("frames_of_reference", {})),
        _by_role({role: described.get(role) for role in ("fixed", "moving")}),
        _by_role(described.get("grids", {})),
        described.get("expected_error_mm"),
        described.get("error_bound_mm"),
    )


def _read_transform(path: Path) -> sitk.Transform:
    from .io.silence import libraries_silenced

    try:
        with libraries_silenced():
            transform = sitk.ReadTransform(str(path))
    except RuntimeError as error:
        raise InputError(
            f"{path} is no transform that can be read; give the .tfm, .h5 or .txt that sspe register wrote, or a "
            "DICOM spatial registration (.dcm)."
        ) from error
    if transform.GetDimension() != 3 or not transform.IsLinear():
        raise InputError(f"{path} is not a linear 3-D transform; give a rigid or an affine one.")
    matrix = matrix_of(transform)
    if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix[:3, :3])) < 1e-6:
        raise InputError(f"{path} cannot be inverted (its matrix is singular or not finite); register again.")
    return transform


def _read_dicom(path: Path) -> Alignment:
    from .dicom_objects.spatial_registration import read_spatial_registration

    matrix, fixed, moving = read_spatial_registration(path)
    return Alignment(to_transform(matrix), str(path), frames={"fixed": fixed, "moving": moving})


def _described(path: Path, transform: sitk.Transform, report: Path | None) -> dict[str, Any] | None:
    """The report of a transform: the one given, or one beside it that holds the same matrix."""
    matrix = matrix_of(transform)
    if report is not None:
        described = _report(report)
        if described is None:
            raise InputError(f"{report} is no report of sspe register; give the file that its --report wrote.")
        if not _same(described, matrix):
            raise InputError(f"{report} is the report of another transform than {path}; give the report that belongs.")
        return described
    for file in sorted(path.parent.glob("*.json")):
        described = _report(file)
        if described is not None and _same(described, matrix):
            return described
    return None


def _report(file: Path) -> dict[str, Any] | None:
    try:
        if file.stat().st_size > REPORT_BYTES_AT_MOST:
            return None
        described = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return described if isinstance(described, dict) and "matrix_fixed_to_moving_lps" in described else None


def _same(described: dict[str, Any], matrix: NDArray[np.float64]) -> bool:
    try:
        other = np.array(described["matrix_fixed_to_moving_lps"], dtype=np.float64)
    except (TypeError, ValueError):
        return False
    return other.shape == (4, 4) and np.allclose(other, matrix, rtol=0, atol=SAME_MATRIX_MM)


def _exchanged(known: dict[Role, Any]) -> dict[Role, Any]:
    turned: dict[Role, Role] = {"fixed": "moving", "moving": "fixed"}
    return {turned[role]: value for role, value in known.items()}


def _by_role(values: Any) -> dict[Role, Any]:
    roles: tuple[Role, Role] = ("fixed", "moving")
    return {role: values[role] for role in roles if isinstance(values, dict) and values.get(role)}
