"""Carry one file from the frame of the moving scan to that of the fixed one."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..alignment import Alignment, grid_of, same_grid
from ..errors import InputError
from ..io.points import POINT_SUFFIXES, read_points
from ..io.writing import IMAGE_SUFFIXES, Outputs, check_suffix
from ..options import ReadOptions
from ..poses import matrix_of
from ..volume import Volume
from .images import carried_dose, carried_image, carried_labels, extended, grid_like, outside_value, share_inside
from .points import point_map

if TYPE_CHECKING:
    from ..dicom_objects.source import Source

Kind = Literal["image", "labels", "dose", "points", "contours", "surface"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SURFACE_SUFFIXES = (".vtp", ".stl")
MODALITIES: dict[str, Kind] = {"RTDOSE": "dose", "RTSTRUCT": "contours", "SEG": "labels"}
LABELS_AT_MOST = 256
LABELS_ALIKE = 0.75
INSIDE = 0.995


@dataclass(frozen=True, eq=False)
class Carried:
    """What was carried along, not written yet.

    Attributes:
        kind: as what it was carried.
        warnings: what the user should know.
        save: writes it, given the outputs of a command and a path.
    """

    kind: Kind
    warnings: tuple[str, ...]
    save: Callable[[Outputs, Path], None]


@dataclass(frozen=True, eq=False)
class Target:
    """Where things are carried to.

    Attributes:
        volume: the reference: its grid for images, its frame for everything.
        path: its file or folder.
        extend: make the grid as large as what is carried needs.
        series: which one of a folder with several it is.
    """

    volume: Volume
    path: Path
    extend: bool = False
    series: str | None = None

    def source(self, frame: str | None) -> Source:
        """What DICOM knows of the reference; frame is used where it names none itself."""
        from ..dicom_objects.source import source_of

        known = self.volume.frame_of_reference or frame
        return source_of(self.path, replace(self.volume, frame_of_reference=known), self.series)


def carry(
    path: Path,
    output: Path,
    alignment: Alignment,
    target: Target,
    kind: Kind | None = None,
    reading: ReadOptions = ReadOptions(),
) -> Carried:
    """Carry one file of the moving scan to the fixed scan's frame.

    Images are resampled by a sharp kernel, labels and segmentations by nearest neighbors, doses linearly, all on the
    reference's grid; points, contours and surfaces go through the inverse of the transform.

    Args:
        path: any image, a segmentation (.seg.nrrd), a DICOM folder; .dcm (RTDOSE, RTSTRUCT, SEG); points; a surface.
        output: the file that will be written; its suffix has to fit the kind.
        alignment: maps fixed points to moving points.
        target: the reference.
        kind: as what it is carried; None finds out.
        reading: which series of a folder it is, and whether an image without orientation may be read.

    Raises:
        InputError: the file cannot be read or is empty, has the wrong frame of reference, lies wholly outside the
            reference, or the suffix does not fit.
    """
    if not path.exists():
        raise InputError(f"{path} does not exist; check the path.")
    alignment.check_frame("fixed", target.volume.frame_of_reference, target.volume.name)
    name = path.name.lower()
    if name.endswith(POINT_SUFFIXES):
        return _points(path, output, alignment)
    if name.endswith(SURFACE_SUFFIXES):
        return _surface(path, output, alignment)
    if name.endswith(".dcm"):
        return _dicom(path, output, alignment, target)
    if path.is_dir() or name.endswith(IMAGE_SUFFIXES):
        return _image(path, output, alignment, target, kind, reading)
    raise InputError(
        f"{path} is of no kind that can be carried along; give an image ({', '.join(IMAGE_SUFFIXES)} or a DICOM "
        f"folder), .dcm (RTDOSE, RTSTRUCT, SEG), {', '.join((*POINT_SUFFIXES, *SURFACE_SUFFIXES))}."
    )


def _points(path: Path, output: Path, alignment: Alignment) -> Carried:
    check_suffix(output, tuple(suffix for suffix in POINT_SUFFIXES if path.name.lower().endswith(suffix)))
    text = read_points(path).carried(point_map(alignment.transform))
    return Carried("points", (), lambda outputs, place: outputs.text(text, place))


def _surface(path: Path, output: Path, alignment: Alignment) -> Carried:
    from .surfaces import carry_surface

    check_suffix(output, (path.suffix.lower(),))
    back = np.asarray(np.linalg.inv(matrix_of(alignment.transform)), dtype=np.float64)
    return Carried("surface", (), lambda outputs, place: carry_surface(path, outputs.beside(place), back))


def _dicom(path: Path, output: Path, alignment: Alignment, target: Target) -> Carried:
    from .dicom_files import read_object

    data = read_object(path)
    kind = MODALITIES.get(str(data.get("Modality", "")))
    if kind is None:
        raise InputError(
            f"{path} is a DICOM file of modality {data.get('Modality', 'unknown')}; give an RTDOSE, RTSTRUCT or SEG "
            "file, or the folder of a whole series."
        )
    return {"dose": _dose, "contours": _contours, "labels": _segmentation}[kind](path, data, output, alignment, target)


def _dose(path: Path, data: Any, output: Path, alignment: Alignment, target: Target) -> Carried:
    from .dicom_files import make_derived
    from .dose import in_units, replace_grid, stored_dose

    check_suffix(output, (".dcm", *IMAGE_SUFFIXES))
    alignment.check_frame("moving", data.get("FrameOfReferenceUID"), str(path))
    stored = stored_dose(data, str(path))
    given = sitk.GetArrayViewFromImage(stored) > 0
    if not given.any():
        raise InputError(f"{path}: the dose is 0 everywhere; there is nothing to carry along.")
    grid, warnings = _grid_for(given, stored, path, alignment, target)
    carried = carried_dose(stored, grid, alignment.transform)
    if not output.name.lower().endswith(".dcm"):
        image = in_units(data, carried)
        return Carried("dose", tuple(warnings), lambda outputs, place: outputs.image(image, place))
    source = target.source(alignment.frames.get("fixed"))
    warnings += make_derived(data, source, "carried by SSPE, research use")
    replace_grid(data, carried, source.frame)
    return Carried("dose", tuple(warnings), partial(_save_dicom, data))


def _contours(path: Path, data: Any, output: Path, alignment: Alignment, target: Target) -> Carried:
    from .contours import carry_contours, frame_of_contours
    from .dicom_files import make_derived

    check_suffix(output, (".dcm",))
    alignment.check_frame("moving", frame_of_contours(data), str(path))
    source = target.source(alignment.frames.get("fixed"))
    warnings = make_derived(data, source, "carried by SSPE, research use")
    warnings += carry_contours(data, alignment.transform, source, target.volume, str(path))
    return Carried("contours", tuple(warnings), partial(_save_dicom, data))


def _segmentation(path: Path, data: Any, output: Path, alignment: Alignment, target: Target) -> Carried:
    import highdicom

    alignment.check_frame("moving", data.get("FrameOfReferenceUID"), str(path))
    marks = highdicom.seg.Segmentation.from_dataset(data)
    try:
        volume = marks.get_volume(combine_segments=True, allow_missing_positions=True)
    except (RuntimeError, ValueError) as error:
        raise InputError(f"{path}: its segments overlap or its slices are uneven; give a label map.") from error
    labels = sitk.GetImageFromArray(volume.array)
    # highdicom's axes are (slice, row, column), each with its direction and spacing.
    labels.SetSpacing([float(value) for value in volume.spacing[::-1]])
    labels.SetDirection(np.asarray(volume.direction)[:, ::-1].ravel().tolist())
    labels.SetOrigin([float(value) for value in volume.position])
    names = {int(one.segment_number): str(one.segment_label) for one in marks.SegmentSequence}
    return _labels(path, labels, output, alignment, target, names)


def _image(
    path: Path, output: Path, alignment: Alignment, target: Target, kind: Kind | None, reading: ReadOptions
) -> Carried:
    image, frame, remarks = _read(path, reading)
    alignment.check_frame("moving", frame, str(path))
    _check_side(path, image, alignment)
    layered = image.GetNumberOfComponentsPerPixel() > 1
    if kind is None:
        kind = "labels" if path.name.lower().endswith(".seg.nrrd") or layered or _like_labels(image) else "image"
    if kind == "labels":
        labels = _labels(path, image, output, alignment, target, {})
        return replace(labels, warnings=(*remarks, *labels.warnings))
    check_suffix(output, IMAGE_SUFFIXES)
    whole = np.ones(image.GetSize()[::-1], dtype=bool)
    grid, warnings = _grid_for(whole, image, path, alignment, target)
    warnings = [*remarks, *warnings]
    if kind == "dose":
        carried = carried_dose(image, grid, alignment.transform)
    elif kind == "image":
        carried = carried_image(image, grid, alignment.transform, outside_value(image))
    else:
        raise InputError(f"{path} is an image and cannot be carried as {kind}; choose image, labels or dose.")
    return Carried(kind, tuple(warnings), lambda outputs, place: outputs.image(carried, place))


def _labels(
    path: Path, labels: sitk.Image, output: Path, alignment: Alignment, target: Target, names: dict[int, str]
) -> Carried:
    array = sitk.GetArrayViewFromImage(labels)
    marked = np.asarray(array.any(axis=-1) if array.ndim == 4 else array != 0, dtype=bool)
    if not marked.any():
        raise InputError(f"{path} is empty: no voxel has a label; there is nothing to carry along.")
    grid, warnings = _grid_for(marked, labels, path, alignment, target)
    carried = carried_labels(labels, grid, alignment.transform)
    if output.name.lower().endswith(".dcm"):
        return Carried("labels", tuple(warnings), partial(_save_dicom, _as_seg(carried, names, alignment, target)))
    check_suffix(output, IMAGE_SUFFIXES)
    for key in labels.GetMetaDataKeys():
        if key.startswith("Segment"):
            carried.SetMetaData(key, _extent_of(carried, key, labels.GetMetaData(key)))
    return Carried("labels", tuple(warnings), lambda outputs, place: outputs.image(carried, place))


def _as_seg(labels: sitk.Image, names: dict[int, str], alignment: Alignment, target: Target) -> Any:
    """Labels as a DICOM SEG of the reference's series, whose slices have to lie plane by plane as the labels'."""
    import pydicom

    from ..dicom_objects.segmentation import segmentation
    from ..dicom_objects.source import fill_unknown

    if not target.path.is_dir() or target.extend:
        raise InputError("A DICOM SEG belongs to a DICOM series; give its folder as --reference, and no --extend.")
    normal = np.array(labels.GetDirection()).reshape(3, 3)[:, 2]
    source = target.source(alignment.frames.get("fixed"))
    headers = sorted(source.headers, key=lambda one: float(np.array(one.ImagePositionPatient, dtype=float) @ normal))
    places = np.array([one.ImagePositionPatient for one in headers], dtype=float).reshape(-1, 3)
    expected = np.array([labels.TransformIndexToPhysicalPoint((0, 0, k)) for k in range(labels.GetSize()[2])])
    if places.shape != expected.shape or not np.allclose(places, expected, atol=0.01):
        raise InputError(
            f"{target.path}: its slices were straightened or resampled when read, so that no DICOM SEG fits them; "
            "write the labels as .nii.gz or .nrrd."
        )
    slices = [pydicom.dcmread(one.filename) for one in headers]
    for one in slices:
        fill_unknown(one)
    return segmentation(sitk.GetArrayViewFromImage(labels), slices, names, description="Carried by SSPE, research use")


def _grid_for(
    content: NDArray[np.bool_], image: sitk.Image, path: Path, alignment: Alignment, target: Target
) -> tuple[sitk.Image, list[str]]:
    """The grid to resample on, with warnings of what it cuts off; content (z, y, x) is what matters in the image."""
    grid = grid_like(target.volume)
    inside = share_inside(content, image, grid, alignment.transform)
    if target.extend:
        return extended(content, image, target.volume, alignment.transform), []
    if inside == 0:
        raise InputError(
            f"Nothing of {path} comes to lie in {target.volume.name}: the transform is that of another pair or of the "
            "other direction (--inverse), or they do not overlap (choose the merged volume as --reference, or "
            "--extend)."
        )
    if inside < INSIDE:
        return grid, [
            f"{1 - inside:.0%} of {path} lies outside {target.volume.name} and is cut off; choose the merged volume as "
            "--reference, or --extend, to keep all of it."
        ]
    return grid, []


def _check_side(path: Path, image: sitk.Image, alignment: Alignment) -> None:
    """Raise InputError where an image has the very grid of the fixed scan and not that of the moving one."""
    grids = alignment.grids
    if "fixed" not in grids or "moving" not in grids or same_grid(grids["fixed"], grids["moving"]):
        return
    own = {
        "size": list(image.GetSize()),
        "spacing": list(image.GetSpacing()),
        "origin": list(image.GetOrigin()),
        "direction": np.array(image.GetDirection()).reshape(3, 3).tolist(),
    }
    if same_grid(own, grids["fixed"]):
        raise InputError(
            f"{path} lies on the grid of the fixed scan ({alignment.files.get('fixed', 'unknown')}), so it is in its "
            "place already; give data of the moving scan, or carry the other way with --inverse."
        )


def _read(path: Path, reading: ReadOptions) -> tuple[sitk.Image, str | None, tuple[str, ...]]:
    """An image, its frame of reference where that is known, and what was assumed about it."""
    from ..io import read_volume
    from ..io.images import read_with_notes

    if path.is_dir():
        volume = read_volume(path, reading)
        return volume.to_image(), volume.frame_of_reference, volume.remarks
    remarks: list[str] = []
    image = read_with_notes(path, reading.assume_lps, remarks)
    return image, None, tuple(remarks)


def _like_labels(image: sitk.Image) -> bool:
    """Whether an image holds few whole numbers from 0 up, mostly equal from voxel to voxel."""
    array = sitk.GetArrayViewFromImage(image)
    thinned = array[:: max(1, array.shape[0] // 48)]
    if np.issubdtype(thinned.dtype, np.floating) and not np.array_equal(thinned, np.rint(thinned)):
        return False
    if thinned.min() < 0 or np.unique(thinned).size > LABELS_AT_MOST:
        return False
    return bool(np.mean(thinned[..., 1:] == thinned[..., :-1]) > LABELS_ALIKE)


def _extent_of(image: sitk.Image, key: str, value: str) -> str:
    """Slicer's note of where a segment lies, made the whole grid; other notes stay."""
    if not re.fullmatch(r"Segment\d+_Extent", key):
        return value
    return " ".join(f"0 {count - 1}" for count in image.GetSize())


def _save_dicom(data: Any, outputs: Outputs, place: Path) -> None:
    data.save_as(outputs.beside(place), enforce_file_format=True)


__all__ = ["KINDS", "Carried", "Kind", "Target", "carry", "grid_of"]
