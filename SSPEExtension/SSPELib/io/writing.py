"""Writing results: everything is written beside its place and renamed when all of it is complete."""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from types import TracebackType

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..errors import InputError
from ..stages import stage
from .nifti import write_zipped
from .silence import libraries_silenced
from .zipping import LEVEL

IMAGE_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd")
TRANSFORM_SUFFIXES = (".tfm", ".h5", ".txt")
PREFIX = ".sspe-"


class Outputs:
    """Files of one result that appear together or not at all.

    Used as a context manager. Each file is written into a hidden folder beside its place; leaving without an exception
    renames all of them, leaving with one (also Ctrl-C) removes them. A full disk becomes an InputError.
    """

    def __init__(self) -> None:
        self._staging: dict[Path, Path] = {}
        self._targets: list[Path] = []
        self._outdated: list[Path] = []

    def __enter__(self) -> Outputs:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._rename()
            elif isinstance(error, OSError) and error.errno == errno.ENOSPC and self._targets:
                raise InputError(_unwritable(self._targets[-1])) from error
        finally:
            for folder in self._staging.values():
                shutil.rmtree(folder, ignore_errors=True)

    def beside(self, path: str | PathLike[str]) -> Path:
        """Return the place where a file may be written until all are complete; it has the file's own name.

        Raises:
            InputError: its folder cannot be written.
        """
        target = Path(path).absolute()
        if target.parent not in self._staging:
            self._staging[target.parent] = _staging_folder(target)
        self._targets.append(target)
        return self._staging[target.parent] / target.name

    def folder(self, path: str | PathLike[str]) -> Path:
        """Return an empty folder to write files into, which takes its place when all is complete.

        Raises:
            InputError: the path is there already and not an empty folder, or cannot be made.
        """
        target = Path(path)
        try:
            if target.is_dir():
                target.rmdir()
            place = self.beside(path)
            place.mkdir()
        except OSError as error:
            raise InputError(f"{path} is there already, or cannot be made; give the name of a new folder.") from error
        return place

    def without(self, path: str | PathLike[str]) -> None:
        """Take a file of an earlier result away when the files of this one appear; it need not be there."""
        self._outdated.append(Path(path))

    @stage("writing")
    def image(self, image: sitk.Image, path: str | PathLike[str]) -> None:
        """Write an image, compressed where the format can.

        Raises:
            InputError: the suffix is unknown or the file cannot be written.
        """
        check_suffix(path, IMAGE_SUFFIXES)
        place = self.beside(path)
        with _writing(path):
            whole = write_zipped(image, place) or _written(image, place)
        if not whole:
            raise InputError(_unwritable(Path(path)))

    @stage("writing")
    def transform(self, transform: sitk.Transform, path: str | PathLike[str]) -> None:
        """Write a transform in ITK's format.

        Raises:
            InputError: the suffix is unknown or the file cannot be written.
        """
        check_suffix(path, TRANSFORM_SUFFIXES)
        place = self.beside(path)
        with _writing(path):
            sitk.WriteTransform(transform, str(place))
            written = sitk.ReadTransform(str(place)).GetParameters()
        if not np.allclose(written, transform.GetParameters(), rtol=0, atol=1e-9):
            raise InputError(_unwritable(Path(path)))

    @stage("writing")
    def text(self, text: str, path: str | PathLike[str]) -> None:
        """Write text as UTF-8.

        Raises:
            InputError: the file cannot be written.
        """
        with _writing(path):
            self.beside(path).write_text(text, encoding="utf-8", newline="\n")

    def _rename(self) -> None:
        for path in self._outdated:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise InputError(_unwritable(path)) from error
        # Besides the targets there may be files that a format brings along, as the voxels of an .mhd; they go first.
        for parent, folder in self._staging.items():
            for file in sorted(folder.iterdir(), key=lambda one: parent / one.name in self._targets):
                try:
                    file.replace(parent / file.name)
                except OSError as error:
                    raise InputError(_unwritable(parent / file.name)) from error


def _written(image: sitk.Image, path: Path) -> bool:
    """Write an image; returns whether all of it is there: on a full disk some formats are cut off without a word."""
    sitk.WriteImage(image, str(path), useCompression=True, compressionLevel=LEVEL)
    read = sitk.ReadImage(str(path))
    return np.array_equal(_bits(image), _bits(read))


def _bits(image: sitk.Image) -> NDArray[np.unsignedinteger]:
    """The voxels as whole numbers, so that NaN equals itself."""
    voxels = sitk.GetArrayViewFromImage(image)
    return voxels.view(f"u{voxels.dtype.itemsize}")


@contextmanager
def _writing(path: str | PathLike[str]) -> Iterator[None]:
    """Turn what fails while a file is written into a sentence that names it."""
    try:
        with libraries_silenced():
            yield
    except (RuntimeError, OSError) as error:
        raise InputError(_unwritable(Path(path))) from error


def write_image(image: sitk.Image, path: str | PathLike[str]) -> None:
    """Write one image beside its place, then rename it.

    Raises:
        InputError: the suffix is unknown or the folder cannot be written.
    """
    with Outputs() as outputs:
        outputs.image(image, path)


def write_transform(transform: sitk.Transform, path: str | PathLike[str]) -> None:
    """Write one transform (fixed to moving points, LPS) beside its place, then rename it.

    Raises:
        InputError: the suffix is unknown or the folder cannot be written.
    """
    with Outputs() as outputs:
        outputs.transform(transform, path)


def check_suffix(path: str | PathLike[str], suffixes: tuple[str, ...]) -> None:
    """Raise InputError where the name of an output does not end as one of some formats."""
    if not Path(path).name.lower().endswith(suffixes):
        raise InputError(f"{path} has no suffix that can be written; end its name in {' or '.join(suffixes)}.")


def check_writable(path: str | PathLike[str]) -> None:
    """Make sure, before any work, that a file can be written; the folder is really written to, for rights can lie.

    Raises:
        InputError: the folder is missing or cannot be written, or the path is a folder itself.
    """
    target = Path(path).absolute()
    if target.is_dir():
        raise InputError(f"{path} is a folder; give the name of a file.")
    _staging_folder(target).rmdir()


def make_folder(folder: str | PathLike[str]) -> None:
    """Make a folder for results where it is missing, and make sure, before any work, that files can be written into it.

    Raises:
        InputError: it cannot be made or written.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        Path(tempfile.mkdtemp(prefix=PREFIX, dir=folder)).rmdir()
    except OSError as error:
        raise InputError(f"{folder} cannot be made a folder of results ({error.strerror}); choose another.") from error


def _staging_folder(target: Path) -> Path:
    parent = target.parent
    if not parent.is_dir():
        why = "is not a folder" if parent.exists() else "does not exist"
        raise InputError(f"{target} cannot be written because {parent} {why}; create that folder or choose another.")
    try:
        return Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    except OSError as error:
        raise InputError(_unwritable(target)) from error


def _unwritable(path: Path) -> str:
    return (
        f"{path} cannot be written; check that its folder is writable and the disk not full, or choose another folder."
    )
