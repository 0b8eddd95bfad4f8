"""One small body in every storage that clinics deliver, and with every defect that they come with.

Each kind says what should become of it: the same voxels in the same places, the same body after resampling, or a
refusal; and which words the remark or the refusal must hold.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import pydicom
import SimpleITK as sitk
from dicom_series import VOLUME, write_series
from phantoms import torso
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    generate_uid,
)

from SSPELib.options import ReadOptions
from SSPELib.volume import Volume

Outcome = Literal["same", "resampled", "refused"]
Make = Callable[[Path], Path]
Change = Callable[[pydicom.FileDataset, int], object]
JPEG_LOSSLESS = UID("1.2.840.10008.1.2.4.70")
BY_ITK = {JPEG_LOSSLESS: "JPEG", JPEG2000Lossless: "JPEG2000"}


@dataclass(frozen=True)
class Kind:
    """A way to store the body.

    Attributes:
        name: of the kind.
        make: writes it into a folder and returns what to read.
        outcome: what should become of it.
        says: regular expression of a remark or the refusal; empty where nothing should be said.
        options: how to read it.
    """

    name: str
    make: Make
    outcome: Outcome
    says: str = ""
    options: ReadOptions = field(default_factory=ReadOptions)


def series(folder: Path, **how: Any) -> Path:
    """A regular series in a folder of its own."""
    write_series(folder / "series", **how)
    return folder / "series"


def edited(change: Change, which: slice | list[int] = slice(None), **how: Any) -> Make:
    """A series in whose files something was changed; which: the numbers of the slices from the feet."""

    def make(folder: Path) -> Path:
        files = write_series(folder / "series", **how)
        numbers = range(len(files))[which] if isinstance(which, slice) else which
        for number in numbers:
            data = pydicom.dcmread(files[number])
            change(data, number)
            data.save_as(files[number])
        return folder / "series"

    return make


def without(*keywords: str, which: slice | list[int] = slice(None), **tags: object) -> Make:
    """A series whose files lack some tags and have some others."""

    def change(data: pydicom.FileDataset, _: int) -> None:
        for keyword in keywords:
            if keyword in data:
                del data[keyword]
        for keyword, value in tags.items():
            setattr(data, keyword, value)

    return edited(change, which)


def setting(which: slice | list[int] = slice(None), **tags: object) -> Make:
    """A series whose files have some other tags."""
    return without(which=which, **tags)


def beside(add: Callable[[Path], object]) -> Make:
    """A regular series with something else in its folder."""

    def make(folder: Path) -> Path:
        path = series(folder)
        add(path)
        return path

    return make


def places() -> np.ndarray:
    """Where the first voxels of the slices of the body lie, (n, 3)."""
    return np.array([(VOLUME.index_to_lps @ [0, 0, k, 1])[:3] for k in range(VOLUME.size[2])])


# --- transfer syntaxes and pixel formats -----------------------------------------------------------------------------


def encoded(syntax: UID, **how: Any) -> Make:
    """A series in another transfer syntax."""

    def change(data: pydicom.FileDataset, _: int) -> None:
        if syntax.is_encapsulated:
            compress(data, syntax)
        else:
            if syntax == ExplicitVRBigEndian:
                data.PixelData = np.frombuffer(data.PixelData, "<u2").astype(">u2").tobytes()
            data.file_meta.TransferSyntaxUID = syntax

    def make(folder: Path) -> Path:
        files = write_series(folder / "series", **how)
        for number, file in enumerate(files):
            data = pydicom.dcmread(file)
            change(data, number)
            options = (
                {}
                if syntax.is_encapsulated
                else {
                    "implicit_vr": syntax == ImplicitVRLittleEndian,
                    "little_endian": syntax != ExplicitVRBigEndian,
                    "force_encoding": True,
                }
            )
            pydicom.dcmwrite(file, data, **options)
        return folder / "series"

    return make


def compress(data: pydicom.FileDataset, syntax: UID) -> None:
    """Compress the pixels of a dataset, with ITK where pydicom cannot."""
    if syntax not in BY_ITK:
        data.compress(syntax, generate_instance_uid=False)
        return
    pixels = np.frombuffer(data.PixelData, "i2" if data.PixelRepresentation else "u2")
    frames = pixels.reshape(-1, data.Rows, data.Columns)
    data.PixelData = encapsulate([_compressed(frame, syntax) for frame in frames])
    data["PixelData"].is_undefined_length = True
    data.file_meta.TransferSyntaxUID = syntax


def _compressed(frame: np.ndarray, syntax: UID) -> bytes:
    with TemporaryDirectory() as folder:
        writer = sitk.ImageFileWriter()
        writer.SetImageIO("GDCMImageIO")
        writer.SetFileName(f"{folder}/pixels.dcm")
        writer.UseCompressionOn()
        writer.SetCompressor(BY_ITK[syntax])
        writer.Execute(sitk.GetImageFromArray(frame))
        written = pydicom.dcmread(f"{folder}/pixels.dcm")
    assert written.file_meta.TransferSyntaxUID == syntax
    return next(iter(generate_frames(written.PixelData, number_of_frames=1)))


def signed(bits: int, keep_sign: bool = True, syntax: UID | None = None) -> Make:
    """Signed values of so many bits in 16, with or without the sign carried through the unused bits."""

    def change(data: pydicom.FileDataset, _: int) -> None:
        hu = np.frombuffer(data.PixelData, "u2").astype(np.int32) - 1024
        values = hu.astype(np.int16)
        if not keep_sign:
            values = np.bitwise_and(values, (1 << bits) - 1).astype(np.int16)
        data.PixelData = values.tobytes()
        data.PixelRepresentation, data.BitsStored, data.HighBit = 1, bits, bits - 1
        data.RescaleIntercept = 0
        if syntax is not None:
            compress(data, syntax)

    return edited(change)


def garbage_above(data: pydicom.FileDataset, _: int) -> None:
    """An overlay in the unused bits, as old scanners keep it."""
    values = np.frombuffer(data.PixelData, "u2").copy()
    values[::3] |= 0x8000
    data.PixelData = values.tobytes()
    data.BitsStored, data.HighBit = 12, 11


def rescale_differs(data: pydicom.FileDataset, number: int) -> None:
    slope, intercept = (0.5, 0.25, 1.0)[number % 3], -1024.0 - 10 * number
    hu = np.frombuffer(data.PixelData, "u2").astype(np.float64) - 1024
    data.PixelData = np.rint((hu - intercept) / slope).astype(np.uint16).tobytes()
    data.RescaleSlope, data.RescaleIntercept = slope, intercept


def big_offset(data: pydicom.FileDataset, _: int) -> None:
    values = np.frombuffer(data.PixelData, "u2").astype(np.int64) + 40000 - 1024
    data.PixelData = values.astype(np.uint16).tobytes()
    data.RescaleIntercept = -40000


def eight_bits(data: pydicom.FileDataset, _: int) -> None:
    hu = np.frombuffer(data.PixelData, "u2").astype(np.float64) - 1024
    data.PixelData = np.clip(np.rint((hu + 1024) / 10), 0, 255).astype(np.uint8).tobytes()
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.RescaleSlope = 7, 10


def no_preamble(folder: Path) -> Path:
    path = series(folder)
    for file in path.iterdir():
        data = pydicom.dcmread(file)
        bare = pydicom.Dataset()
        bare.update({element.tag: element for element in data})
        pydicom.dcmwrite(file, bare, implicit_vr=True, little_endian=True, enforce_file_format=False)
    return path


# --- multi-frame ------------------------------------------------------------------------------------------------------


def enhanced(
    volume: Volume = VOLUME, order: list[int] | None = None, shared: bool = True, per_frame_rescale: bool = False
) -> pydicom.FileDataset:
    """An enhanced CT of a volume, its frames in any order, what all frames share said once or at every frame."""
    meta = pydicom.dataset.FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = UID("1.2.840.10008.5.1.4.1.1.2.1"), ExplicitVRLittleEndian
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["enhanced"])
    data = pydicom.FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.Modality, data.SeriesInstanceUID = "CT", generate_uid(entropy_srcs=["enhanced series"])
    data.SeriesNumber, data.SeriesDescription = 7, "ENHANCED"
    data.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    data.FrameOfReferenceUID = generate_uid(entropy_srcs=["frame"])
    order = order or list(range(volume.size[2]))
    data.NumberOfFrames, data.Rows, data.Columns = len(order), volume.size[1], volume.size[0]
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, "MONOCHROME2", 0
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
    stored, frames = [], []
    for rank, index in enumerate(order):
        slope, intercept = ((0.5, 0.25, 1.0)[rank % 3], -1024.0 - 7 * rank) if per_frame_rescale else (1.0, -1024.0)
        stored.append(np.rint((volume.array[index] - intercept) / slope).astype(np.uint16))
        frame = pydicom.Dataset()
        place = pydicom.Dataset()
        place.ImagePositionPatient = [f"{v:.6f}" for v in (volume.index_to_lps @ [0, 0, index, 1])[:3]]
        frame.PlanePositionSequence = [place]
        if not shared or per_frame_rescale:
            frame.PixelValueTransformationSequence = [_rescale(slope, intercept)]
        if not shared:
            frame.update(_grid(volume))
        frames.append(frame)
    common = pydicom.Dataset()
    if shared:
        common.update(_grid(volume))
        if not per_frame_rescale:
            common.PixelValueTransformationSequence = [_rescale(1.0, -1024.0)]
    data.SharedFunctionalGroupsSequence, data.PerFrameFunctionalGroupsSequence = [common], frames
    data.PixelData = np.stack(stored).tobytes()
    return data


def _grid(volume: Volume) -> pydicom.Dataset:
    group, measures, axes = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
    measures.PixelSpacing, measures.SliceThickness = [volume.spacing[1], volume.spacing[0]], volume.spacing[2]
    axes.ImageOrientationPatient = [f"{value:.8f}" for value in volume.direction[:, :2].T.ravel()]
    group.PixelMeasuresSequence, group.PlaneOrientationSequence = [measures], [axes]
    return group


def _rescale(slope: float, intercept: float) -> pydicom.Dataset:
    rescale = pydicom.Dataset()
    rescale.RescaleSlope, rescale.RescaleIntercept, rescale.RescaleType = slope, intercept, "HU"
    return rescale


def multi_frame(
    change: Callable[[pydicom.FileDataset], object] = lambda data: None, in_folder: bool = False, **how: Any
) -> Make:
    """An enhanced CT as a file, or as a folder with that file."""

    def make(folder: Path) -> Path:
        data = enhanced(**how)
        change(data)
        path = folder / "enhanced" / "IM0"
        path.parent.mkdir()
        pydicom.dcmwrite(path, data, enforce_file_format=True)
        return path.parent if in_folder else path

    return make


def legacy_converted(folder: Path) -> Path:
    """By another hand: highdicom's conversion of a series of single slices."""
    import highdicom

    files = write_series(folder / "single")
    slices = [pydicom.dcmread(file) for file in files]
    for data in slices:
        data.PatientID, data.PatientName, data.PatientBirthDate, data.PatientSex = "P", "P", "", ""
        data.StudyID, data.StudyDate, data.StudyTime, data.AccessionNumber = "1", "20200101", "080000", ""
        data.ReferringPhysicianName, data.Manufacturer, data.PositionReferenceIndicator = "", "X", ""
        data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        data.AcquisitionDate, data.AcquisitionTime, data.ContentDate, data.ContentTime = ("20200101", "080000") * 2
        data.RescaleType, data.BurnedInAnnotation = "HU", "NO"
    converted = highdicom.legacy.LegacyConvertedEnhancedCTImage(
        slices, generate_uid(), 5, generate_uid(), 1, transfer_syntax_uid=ExplicitVRLittleEndian
    )
    shutil.rmtree(folder / "single")
    converted.save_as(folder / "converted.dcm")
    return folder / "converted.dcm"


def frame_without_place(data: pydicom.FileDataset) -> None:
    del data.PerFrameFunctionalGroupsSequence[4].PlanePositionSequence


def old_multi_frame(folder: Path) -> Path:
    """Many frames with the place of one only."""
    data = enhanced()
    common, first = data.SharedFunctionalGroupsSequence[0], data.PerFrameFunctionalGroupsSequence[0]
    data.ImagePositionPatient = first.PlanePositionSequence[0].ImagePositionPatient
    data.ImageOrientationPatient = common.PlaneOrientationSequence[0].ImageOrientationPatient
    data.PixelSpacing = common.PixelMeasuresSequence[0].PixelSpacing
    data.RescaleSlope, data.RescaleIntercept = 1, -1024
    del data.SharedFunctionalGroupsSequence, data.PerFrameFunctionalGroupsSequence
    pydicom.dcmwrite(folder / "frames.dcm", data, enforce_file_format=True)
    return folder / "frames.dcm"


# --- what lies beside the CT ------------------------------------------------------------------------------------------


def small_dicom(path: Path, sop_class: str, modality: str, **tags: object) -> None:
    """A DICOM file of another kind, with or without an image."""
    meta = pydicom.dataset.FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = UID(sop_class), ExplicitVRLittleEndian
    meta.MediaStorageSOPInstanceUID = generate_uid()
    data = pydicom.FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.Modality, data.SeriesInstanceUID, data.StudyInstanceUID = modality, generate_uid(), generate_uid()
    for key, value in tags.items():
        setattr(data, key, value)
    path.parent.mkdir(exist_ok=True, parents=True)
    pydicom.dcmwrite(path, data, enforce_file_format=True)


IMAGE = {
    "Rows": 30, "Columns": 40, "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "BitsAllocated": 16,
    "BitsStored": 16, "HighBit": 15, "PixelRepresentation": 0, "PixelData": b"\1\1" * 1200,
}  # fmt: skip
CT, CAPTURE, REPORT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.88.67"
STATE, RAW = "1.2.840.10008.5.1.4.1.1.11.1", "1.2.840.10008.5.1.4.1.1.66"
SIDEWAYS = {
    "ImagePositionPatient": [0, -250, 100], "ImageOrientationPatient": [0, 1, 0, 0, 0, -1], "PixelSpacing": [1, 1],
}  # fmt: skip


def scout_of_the_series(path: Path) -> None:
    uid = next(iter(pydicom.dcmread(file).SeriesInstanceUID for file in path.iterdir()))
    small_dicom(path / "000scout", CT, "CT", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], **SIDEWAYS, **IMAGE)
    scout = pydicom.dcmread(path / "000scout")
    scout.SeriesInstanceUID = uid
    scout.save_as(path / "000scout")


def unnamed_scout_of_the_series(path: Path) -> None:
    scout_of_the_series(path)
    scout = pydicom.dcmread(path / "000scout")
    other = next(pydicom.dcmread(file) for file in path.iterdir() if file.name != "000scout")
    scout.ImageType, scout.FrameOfReferenceUID = ["ORIGINAL", "PRIMARY"], other.FrameOfReferenceUID
    scout.RescaleSlope, scout.RescaleIntercept, scout.PatientID = 1, -1024, other.get("PatientID", "")
    scout.save_as(path / "000scout")


def dicomdir(folder: Path) -> Path:
    path = series(folder)
    small_dicom(folder / "DICOMDIR", "1.2.840.10008.1.3.10", "")
    return path


def copies(path: Path) -> None:
    (path / "again").mkdir()
    for file in sorted(path.glob("*.dcm"))[3:6]:
        shutil.copy(file, path / "again" / f"copy of {file.name}")


def again(minutes: int, brighter: int = 500, numbers: tuple[int, ...] = (6,), **tags: object) -> Make:
    """Some slices acquired twice, the other time so many HU brighter and so many minutes later."""

    def make(folder: Path) -> Path:
        files = write_series(folder / "series", AcquisitionDate="20200101", AcquisitionTime="081000")
        for number in numbers:
            data = pydicom.dcmread(files[number])
            pixels = np.frombuffer(data.PixelData, "u2") + brighter
            data.PixelData = pixels.astype(np.uint16).tobytes()
            data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
            data.AcquisitionTime = f"08{10 + minutes:02d}00"
            for key, value in tags.items():
                setattr(data, key, value)
            data.save_as(folder / "series" / f"again{number}.dcm")
        return folder / "series"

    return make


# --- several series ---------------------------------------------------------------------------------------------------


def parts(split: int = 10, sub_folders: bool = True, **second: Any) -> Make:
    """The body as two series that follow each other."""

    def make(folder: Path) -> Path:
        for name, low, high, tags in (("A", 0, split, {}), ("B", split, VOLUME.size[2], second)):
            piece = _piece(low, high)
            number = {"SeriesNumber": 3 + (name == "B")}
            write_series(
                folder / "study" / (name if sub_folders else ""), piece, series=name, prefix=name, **{**number, **tags}
            )
        return folder / "study"

    return make


def _piece(low: int, high: int) -> Volume:
    from SSPELib.volume import slices

    return slices(VOLUME, low, high)


def two_series(folder: Path) -> Path:
    """The body, and beside it another reconstruction."""
    write_series(folder / "study" / "soft", series="SOFT", SeriesNumber=3)
    brighter = VOLUME.like(VOLUME.array + 300)
    write_series(folder / "study" / "bone", brighter, series="BONE", SeriesNumber=4, prefix="b")
    return folder / "study"


def beside_modality(folder: Path) -> Path:
    """The body beside a PET of the same person."""
    path = series(folder)
    write_series(path / "pet", series="PET", SeriesNumber=9, Modality="PT", prefix="p")
    return path


# --- geometry ---------------------------------------------------------------------------------------------------------


def gone(*numbers: int) -> Make:
    """A series that lacks some slices."""

    def make(folder: Path) -> Path:
        files = write_series(folder / "series")
        for number in numbers:
            files[number].unlink()
        return folder / "series"

    return make


def at(heights: list[float], tilt_degrees: float = 0.0, sideways: float = 0.0, **tags: object) -> Make:
    """The body scanned in slices at these heights, mm, the gantry tilted."""

    def make(folder: Path) -> Path:
        pieces, positions = [], []
        angle = np.radians(tilt_degrees)
        direction = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
        for height in heights:
            center = np.array([sideways * height, 0.0, height])
            plane = torso((24, 20, 1), (14.0, 13.0, 6.0), direction, center=tuple(center), noise_hu=0)
            pieces.append(plane.array[0])
            positions.append(plane.origin)
        whole = Volume(np.stack(pieces), (14.0, 13.0, 6.0), (0, 0, 0), direction)
        write_series(folder / "series", whole, positions=np.array(positions), **tags)
        return folder / "series"

    return make


STEADY = [float(z) for z in range(-69, 70, 6)]
TWO_STRETCHES = [*np.arange(-69.0, 0, 3.0), *np.arange(0.0, 70, 6.0)]
UNEVEN = [-60.0, -59, -57, -54, -50, -45, -39, -32, -31, -29, -26, -22, -17, -11, -4, -3, -1, 2, 6, 11, 17, 24, 31]


# --- NIfTI, NRRD, MetaImage -------------------------------------------------------------------------------------------


def nifti(
    sform: np.ndarray | None = None,
    codes: tuple[int, int] = (1, 1),
    nudge: float = 0.0,
    name: str = "ct.nii",
) -> Make:
    """A NIfTI file whose (qform, sform) codes and sform (4, 4, RAS) are given; nudge tilts the sform's axes."""
    import struct

    def make(folder: Path) -> Path:
        path = folder / "ct.nii"
        sitk.WriteImage(VOLUME.to_image(), str(path))
        data = bytearray(path.read_bytes())
        matrix = np.diag([-1.0, -1, 1, 1]) @ VOLUME.index_to_lps if sform is None else sform
        matrix = matrix.copy()
        matrix[0, 1] += nudge * VOLUME.spacing[1]
        struct.pack_into("<2h", data, 252, *codes)
        struct.pack_into("<12f", data, 280, *matrix[:3].ravel())
        path.write_bytes(bytes(data))
        if name.endswith(".gz"):
            import gzip

            (folder / name).write_bytes(gzip.compress(bytes(data), 1))
            path.unlink()
        return folder / name

    return make


def _ras() -> np.ndarray:
    return np.diag([-1.0, -1, 1, 1]) @ VOLUME.index_to_lps


def moved(mm: float) -> np.ndarray:
    matrix = _ras()
    matrix[2, 3] += mm
    return matrix


def text_header(suffix: str, *lines: str, drop: tuple[str, ...] = ()) -> Make:
    """An uncompressed NRRD or MetaImage file, without the lines that begin with some words and with others added."""

    def make(folder: Path) -> Path:
        path = folder / f"ct{suffix}"
        sitk.WriteImage(VOLUME.to_image(), str(path), useCompression=False)
        head, mark, voxels = _halves(path.read_bytes(), suffix)
        kept = (
            [line for line in head.decode().splitlines() if not line.startswith(drop)]
            if drop
            else head.decode().splitlines()
        )
        after = next(index for index, line in enumerate(kept) if line.startswith(("sizes", "NDims"))) + 1
        kept[after:after] = lines
        path.write_bytes("\n".join(kept).encode() + mark + voxels)
        return path

    return make


def _halves(whole: bytes, suffix: str) -> tuple[bytes, bytes, bytes]:
    if suffix == ".nrrd":
        head, _, voxels = whole.partition(b"\n\n")
        return head, b"\n\n", voxels
    key = b"ElementDataFile = "
    at = whole.index(key)
    end = whole.index(b"\n", at)
    return whole[:end], b"\n", whole[end + 1 :]


def as_file(suffix: str) -> Make:
    """The body as one file."""

    def make(folder: Path) -> Path:
        sitk.WriteImage(VOLUME.to_image(), str(folder / f"ct{suffix}"))
        return folder / f"ct{suffix}"

    return make
