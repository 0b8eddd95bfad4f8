"""Transfer syntaxes, pixel formats and rescales."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pydicom
import SimpleITK as sitk
from dicom_series import write_series
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import UID, ExplicitVRBigEndian, ImplicitVRLittleEndian, JPEG2000Lossless

from .kinds import Make, edited, series

JPEG_LOSSLESS = UID("1.2.840.10008.1.2.4.70")
BY_ITK = {JPEG_LOSSLESS: "JPEG", JPEG2000Lossless: "JPEG2000"}


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


def wide(data: pydicom.FileDataset, _: int) -> None:
    data.PixelData = np.frombuffer(data.PixelData, "u2").astype(np.uint32).tobytes()
    data.BitsAllocated = data.BitsStored = 32
    data.HighBit = 31


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


def padded(first: int, last: int | None = None, by_slice: int = 0, intercept_by_slice: int = 0) -> Make:
    """A series with padding in its corners.

    Args:
        first: stored value of the padding, and its tag.
        last: greatest value, where it is a range.
        by_slice: how much more it is from slice to slice.
        intercept_by_slice: how much more the intercept is from slice to slice; the body stays as it is.
    """

    def change(data: pydicom.FileDataset, number: int) -> None:
        y, x = np.ogrid[:20, :24]
        corners = np.hypot((y - 9.5) / 10, (x - 11.5) / 12) > 1.05
        values = np.frombuffer(data.PixelData, "u2").reshape(20, 24).astype(np.int64) - intercept_by_slice * number
        data.RescaleIntercept = -1024 + intercept_by_slice * number
        low = first + by_slice * number
        high = low if last is None else last
        values[corners] = np.random.default_rng(number).integers(low, high + 1, np.count_nonzero(corners))
        data.PixelData = values.astype(np.uint16).tobytes()
        data.add_new("PixelPaddingValue", "US", low)
        if last is not None:
            data.add_new("PixelPaddingRangeLimit", "US", last)

    return edited(change)
