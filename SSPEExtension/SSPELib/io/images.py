"""NIfTI, NRRD and MetaImage files to a `Volume`: ITK reads the voxels, and what it hides about their place is said."""

from __future__ import annotations

import zlib
from pathlib import Path
from tempfile import gettempdir

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..errors import InputError
from ..options import VOLUME_FILES
from ..volume.checks import raise_not_finite
from ..volume.volume import Volume, index_to_lps_of
from .nifti import any_sform_read, stored_voxels, unzipped
from .nifti_header import is_nifti, places
from .silence import libraries_silenced
from .straightening import straightened
from .text_header import is_meta_image, is_nrrd, left_out, passed_over

# A header rounded to three digits is off from right angles by this much.
ROUNDED = 2.5e-3
NOTICED_MM = 0.1


def read_image(path: Path, assume_lps: bool, remarks: list[str]) -> Volume:
    """Read one file that holds a scalar 3-D image.

    Args:
        path: the file.
        assume_lps: where the file says nothing about it, take its axes for left, posterior, superior and a spacing of
            1 mm.
        remarks: gets a sentence on whatever was assumed or straightened.

    Raises:
        InputError: no image, not 3-D and scalar, damaged, voxels that are not finite, or no orientation.
    """
    image = _stored(path, remarks)
    matrix = _index_to_lps(path, image, assume_lps, remarks)
    return _placed(path, sitk.GetArrayFromImage(image), matrix, remarks)


def read_with_notes(path: Path, assume_lps: bool, remarks: list[str]) -> sitk.Image:
    """Read one file like `read_image`, with what it notes beside its voxels: 3D Slicer names segments there.

    Segments that overlap may lie in layers, several labels a voxel.
    """
    image = _stored(path, remarks, layers=True)
    matrix = _index_to_lps(path, image, assume_lps, remarks)
    if image.GetNumberOfComponentsPerPixel() > 1:
        return image
    placed = _placed(path, sitk.GetArrayFromImage(image), matrix, remarks).to_image()
    for key in image.GetMetaDataKeys():
        placed.SetMetaData(key, image.GetMetaData(key))
    return placed


def _stored(path: Path, remarks: list[str], layers: bool = False) -> sitk.Image:
    """The 3-D image that a file holds, its voxels checked."""
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty (0 bytes); copy or export it again.")
    reader = sitk.ImageFileReader()
    try:
        with unzipped(path) as place, libraries_silenced(), any_sform_read():
            reader.SetFileName(str(place))
            reader.ReadImageInformation()
            _check_kind(path, reader, layers)
            image = reader.Execute()
            stored = stored_voxels(place)
    except (EOFError, zlib.error) as error:
        raise InputError(_damaged(path)) from error
    except OSError as error:
        raise InputError(
            f"{path} cannot be read, or not unzipped into {gettempdir()} ({error.strerror}); make room there, or name "
            "another folder by the environment variable TMPDIR."
        ) from error
    except RuntimeError as error:
        raise InputError(_reason(path, error)) from error
    if image.GetDimension() == 4:
        image = image[:, :, :, 0]
    if not stored.complete:
        raise InputError(_damaged(path))
    raise_not_finite(str(path), stored.not_finite)
    if stored.lone_intercept:
        raise InputError(
            f"{path} has an intercept (scl_inter) of {stored.lone_intercept:g} but a slope (scl_slope) of 0, so that "
            "its HU are not certain; export it again."
        )
    if stored.unread:
        remarks.append(f"{path} holds {stored.unread} bytes more than its header speaks of, which were left out.")
    if stored.bits is not None:
        remarks.append(
            f"{path} says two things of its voxels: {stored.bits[0]} bits each by their data type, which was taken, "
            f"and {stored.bits[1]} by bitpix."
        )
    misread = passed_over(path)
    if misread:
        raise InputError(f"{path} {' and '.join(misread)}, which would be read wrong; export it again, in mm and HU.")
    if not (is_nifti(path) or is_nrrd(path) or is_meta_image(path)):
        raise InputError(
            f"{path} is an image of a format that does not say where its voxels lie in the patient, or is not known to "
            f"say it right; choose {VOLUME_FILES}."
        )
    return image


def _index_to_lps(path: Path, image: sitk.Image, assume_lps: bool, remarks: list[str]) -> NDArray[np.float64]:
    """Index to LPS mm, as the file says it."""
    if is_nifti(path):
        return _nifti_matrix(path, np.array(image.GetSize(), dtype=np.float64), assume_lps, remarks)
    return _matrix(path, image, assume_lps, remarks)


def _check_kind(path: Path, reader: sitk.ImageFileReader, layers: bool) -> None:
    """Raise InputError unless the file holds one 3-D image, scalar or in layers; reads the header only."""
    size = list(reader.GetSize())
    shape = " x ".join(str(count) for count in size)
    components = reader.GetNumberOfComponents()
    if components != 1 and not (layers and len(size) == 3):
        raise InputError(
            f"{path} has {components} values a voxel (a color or vector image); choose a CT with one value a voxel."
        )
    if "complex" in sitk.GetPixelIDValueAsString(reader.GetPixelID()):
        raise InputError(f"{path} holds complex numbers; choose a CT with one real value a voxel.")
    if len(size) < 3:
        raise InputError(f"{path} is a 2-D image ({shape}); choose a 3-D CT volume, or the folder of its DICOM series.")
    if any(count > 1 for count in size[3:]):
        raise InputError(f"{path} is {len(size)}-D ({shape}); save one time point as a 3-D volume and choose that.")


def _nifti_matrix(path: Path, size: NDArray[np.float64], assume_lps: bool, remarks: list[str]) -> NDArray[np.float64]:
    """Index to LPS mm of a NIfTI file: the sform, where there is none the qform."""
    found = places(path)
    if found is None:
        raise InputError(_damaged(path))
    if found.sform is None and found.qform is None:
        if not assume_lps:
            raise InputError(_no_orientation(path, "orientation (its sform and qform are not set, or damaged)"))
        if not np.all(np.isfinite(found.spacing)) or found.spacing.min() <= 0:
            raise InputError(_damaged_header(path))
        remarks.append(f"{path} has no orientation; its axes were taken for left, posterior, superior.")
        return np.diag([*found.spacing, 1.0])
    if found.sform is None:
        return found.qform if found.qform is not None else np.eye(4)
    if found.qform is not None:
        off = _farthest(found.sform, found.qform, size)
        if off > NOTICED_MM:
            remarks.append(
                f"{path} gives two places for its voxels, up to {off:.1f} mm apart (sform and qform); the sform was "
                "used, as most programs do."
            )
    return found.sform


def _matrix(path: Path, image: sitk.Image, assume_lps: bool, remarks: list[str]) -> NDArray[np.float64]:
    """Index to LPS mm of an NRRD or MetaImage file."""
    lacking = left_out(path)
    unknown = [what for what in lacking if what != "origin"]
    if unknown and not assume_lps:
        raise InputError(_no_orientation(path, " and no ".join(unknown)))
    if unknown:
        assumed = {"orientation": "axes of left, posterior, superior", "spacing": "a spacing of 1 mm"}
        said = " and ".join(assumed[what] for what in unknown)
        remarks.append(f"{path} has no {' and no '.join(unknown)}; {said} were assumed.")
    elif lacking:
        remarks.append(f"{path} does not say where in space it lies (no origin); its first voxel was put at (0, 0, 0).")
    direction, spacing = np.array(image.GetDirection()).reshape(3, 3), np.array(image.GetSpacing())
    numbers = [*spacing, *image.GetOrigin(), *direction.ravel()]
    if not np.all(np.isfinite(numbers)) or spacing.min() <= 0:
        raise InputError(_damaged_header(path))
    if not np.allclose(np.linalg.norm(direction, axis=0), 1.0, atol=ROUNDED):
        raise InputError(_damaged_header(path))
    return index_to_lps_of(image)


def _placed(path: Path, array: NDArray[np.generic], matrix: NDArray[np.float64], remarks: list[str]) -> Volume:
    """The volume on its grid, brought to right angles where its header is not."""
    size = np.array(array.shape[::-1], dtype=np.float64)
    steps, origin = matrix[:3, :3], matrix[:3, 3]
    spacing = np.linalg.norm(steps, axis=0)
    axes = steps / spacing
    angles = np.abs(axes.T @ axes - np.eye(3))
    if angles.max() > ROUNDED:
        return _straight(path, array, axes, spacing, origin, remarks)
    u, _, vt = np.linalg.svd(axes)
    direction = u @ vt
    straight = matrix.copy()
    straight[:3, :3] = direction * spacing
    # Turned about its middle, no voxel moves farther than it must.
    straight[:3, 3] += (steps - straight[:3, :3]) @ ((size - 1) / 2)
    off = _farthest(matrix, straight, size)
    if off > NOTICED_MM:
        remarks.append(
            f"{path} has axes that are not quite at right angles; the nearest that are were taken, which moves its "
            f"voxels by up to {off:.2f} mm."
        )
    elif angles.max() < 1e-6:
        straight = matrix
    x, y, z = straight[:3, 3]
    return Volume(array, tuple(spacing), (float(x), float(y), float(z)), direction, name=str(path))


def _straight(
    path: Path,
    array: NDArray[np.generic],
    axes: NDArray[np.float64],
    spacing: NDArray[np.float64],
    origin: NDArray[np.float64],
    remarks: list[str],
) -> Volume:
    """Straighten a stack whose slices are sheared, as a scan with a gantry tilt is."""
    row, column, way = axes.T
    if abs(float(row @ column)) > ROUNDED:
        raise InputError(
            f"{path} has slices whose rows and columns are not at right angles; resample it to a straight grid, for "
            "example with Slicer's module Resample Scalar/Vector/DWI Volume, and choose the result."
        )
    normal = np.cross(row, column)
    normal *= np.sign(normal @ way)
    across = np.column_stack([row, column])
    shift = across.T @ way * spacing[2] / spacing[:2]
    tilt = np.degrees(np.arccos(np.clip(normal @ way, -1, 1)))
    remarks.append(
        f"{path}: a gantry tilt or shear of {tilt:.1f} degrees was straightened; its slices stay whole and were moved "
        "back within their planes, and what they do not cover is marked as no data."
    )
    x, y, z = origin
    sheared = Volume(
        array=array,
        spacing=(float(spacing[0]), float(spacing[1]), float(spacing[2] * (normal @ way))),
        origin=(float(x), float(y), float(z)),
        direction=np.column_stack([row, column, normal]),
        name=str(path),
    )
    return straightened(sheared, np.outer(np.arange(len(array)), shift))


def _farthest(one: NDArray[np.float64], other: NDArray[np.float64], size: NDArray[np.float64]) -> float:
    """How far two maps from index to mm differ at most over a grid of this size, mm; they do so at a corner."""
    corners = np.array(np.meshgrid(*[[0.0, count - 1.0] for count in size])).reshape(3, -1)
    difference = (one - other) @ np.vstack([corners, np.ones(8)])
    return float(np.linalg.norm(difference[:3], axis=0).max())


def _reason(path: Path, error: RuntimeError) -> str:
    if "Unable to determine ImageIO" in str(error):
        return f"{path} is not an image that can be read, or is damaged; choose {VOLUME_FILES}."
    return _damaged(path)


def _damaged(path: Path) -> str:
    return f"{path} is damaged or incomplete and cannot be read; copy or export it again."


def _damaged_header(path: Path) -> str:
    return f"{path} has a damaged header (spacing, origin or direction); export it again."


def _no_orientation(path: Path, what: str) -> str:
    return (
        f"{path} has no {what}, so that left and right, head and feet are not known; export it with them, or "
        "go on with --assume-lps, which takes its axes for left, posterior, superior."
    )
