"""Whatever the storage, the same body is the same volume, or a sentence says why not: nothing is silently different."""

from __future__ import annotations

import locale
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_series import VOLUME, write_series
from geometries import any_geometry
from hypothesis import given, settings
from hypothesis import strategies as st
from phantoms import torso
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)
from storages import company, files, frames, grids, pixels, splits
from storages.kinds import Kind, beside, edited, series, setting, without

from SSPELib.errors import InputError
from SSPELib.io import read_volume
from SSPELib.io.silence import libraries_silenced
from SSPELib.options import ReadOptions
from SSPELib.volume import Provenance, Volume, body_axis, body_length_mm, check_ct, slices
from SSPELib.volume.checks import SHORTEST_MM

LPS = ReadOptions(assume_lps=True)
COMPRESSED = {
    "JPEG 2000": JPEG2000Lossless,
    "JPEG-LS": JPEGLSLossless,
    "RLE": RLELossless,
    "JPEG": pixels.JPEG_LOSSLESS,
}
UNCOMPRESSED = {
    "implicit": ImplicitVRLittleEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
    "big endian": ExplicitVRBigEndian,
}
BACKWARD = list(range(VOLUME.size[2]))[::-1]
SHUFFLED = np.random.default_rng(5).permutation(VOLUME.size[2]).tolist()
MIDDLE = [4, 5]

PIXELS = [
    *[Kind(name, pixels.encoded(syntax), "same") for name, syntax in (UNCOMPRESSED | COMPRESSED).items()],
    Kind("MONOCHROME1", setting(PhotometricInterpretation="MONOCHROME1"), "same", "MONOCHROME1"),
    Kind("signed 16 bit", pixels.signed(16), "same"),
    Kind("signed 12 of 16 bit", pixels.signed(12), "same"),
    Kind("signed 12 of 16 bit, sign cut off", pixels.signed(12, keep_sign=False), "same"),
    *[
        Kind(f"signed, {name}", pixels.signed(16, syntax=COMPRESSED[name]), "same")
        for name in ("JPEG 2000", "JPEG-LS", "RLE")
    ],
    Kind("signed 12 bit, JPEG-LS", pixels.signed(12, keep_sign=False, syntax=JPEGLSLossless), "same"),
    Kind("overlay in unused bits", edited(pixels.garbage_above), "same"),
    Kind("rescale differs from slice to slice", edited(pixels.rescale_differs), "same"),
    Kind("intercept of -40000", edited(pixels.big_offset), "same"),
    Kind("8 bit with a slope of 10", edited(pixels.eight_bits), "resampled"),
    Kind("no preamble", pixels.no_preamble, "same"),
    Kind("value in the upper bits", setting(BitsStored=12, HighBit=15), "refused", "HighBit 15"),
    Kind("palette", setting(PhotometricInterpretation="PALETTE COLOR"), "refused", "screen capture"),
    Kind("compressed with loss", setting(LossyImageCompression="01"), "same", "LossyImageCompression"),
    Kind("a projection", setting(ImageType=["DERIVED", "SECONDARY", "MIP"]), "same", "ImageType"),
    Kind("no rescale", without("RescaleSlope", "RescaleIntercept"), "refused", "rescale"),
    Kind("no intercept", without("RescaleIntercept"), "refused", "RescaleIntercept"),
    Kind("no slope in two slices", without("RescaleSlope", which=MIDDLE), "refused", "RescaleSlope"),
    Kind("slope of 0", setting(RescaleSlope=0), "refused", "RescaleSlope"),
    Kind("32 bit", edited(pixels.wide), "same"),
    Kind("effective atomic numbers", setting(RescaleType="Z_EFF"), "refused", "RescaleType Z_EFF"),
    Kind("rescale type not specified", setting(RescaleType="US"), "same", "RescaleType"),
]
FRAMES = [
    Kind("enhanced", frames.multi_frame(), "same"),
    Kind("enhanced in a folder", frames.multi_frame(in_folder=True), "same"),
    Kind("enhanced, frames backward", frames.multi_frame(order=BACKWARD), "same"),
    Kind("enhanced, frames in any order", frames.multi_frame(order=SHUFFLED), "same"),
    Kind("enhanced, all per frame", frames.multi_frame(order=SHUFFLED, shared=False), "same"),
    Kind("enhanced, rescale per frame", frames.multi_frame(order=SHUFFLED, per_frame_rescale=True), "same"),
    Kind("enhanced, JPEG 2000", frames.multi_frame(lambda data: pixels.compress(data, JPEG2000Lossless)), "same"),
    Kind("enhanced, RLE", frames.multi_frame(lambda data: pixels.compress(data, RLELossless)), "same"),
    Kind("legacy converted", frames.legacy_converted, "same"),
    Kind(
        "enhanced, a frame without place",
        frames.multi_frame(frames.frame_without_place),
        "refused",
        "ImagePositionPatient",
    ),
    Kind("frames without places", frames.old_multi_frame, "refused", "ImagePositionPatient"),
    Kind(
        "enhanced, frames missing",
        frames.multi_frame(order=[*range(8), *range(12, 24)]),
        "refused",
        "4 DICOM slices are",
    ),
]
BESIDE = [
    Kind(
        "vendor's index",
        beside(lambda path: company.small_dicom(path / "DIRFILE", company.RAW, "CT")),
        "same",
        "DIRFILE",
    ),
    Kind(
        "presentation state", beside(lambda path: company.small_dicom(path / "PS1", company.STATE, "PR")), "same", "PS1"
    ),
    Kind(
        "structured report", beside(lambda path: company.small_dicom(path / "SR1", company.REPORT, "SR")), "same", "SR1"
    ),
    Kind(
        "scout",
        beside(
            lambda path: company.small_dicom(
                path / "scout",
                company.CT,
                "CT",
                ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
                SeriesNumber=1,
                **company.SIDEWAYS,
                **company.IMAGE,
            )
        ),
        "same",
        r"series 1 \(a scout\)",
    ),
    Kind("scout in the series", beside(company.scout_of_the_series), "same", "a scout"),
    Kind("scout in the series that does not say so", beside(company.unnamed_scout_of_the_series), "same", "000scout"),
    Kind(
        "dose page",
        beside(
            lambda path: company.small_dicom(
                path / "dose",
                company.CAPTURE,
                "CT",
                SeriesNumber=999,
                SeriesDescription="Dose Report",
                **company.IMAGE,
            )
        ),
        "same",
        "Dose Report",
    ),
    Kind(
        "dose page as CT without place",
        beside(
            lambda path: company.small_dicom(
                path / "dose",
                company.CT,
                "CT",
                SeriesNumber=999,
                SeriesDescription="Dose Report",
                **company.IMAGE,
            )
        ),
        "same",
        "Dose Report",
    ),
    Kind("PET", company.beside_modality, "same", "modality PT"),
    Kind("DICOMDIR in the folder above", company.dicomdir, "same"),
    Kind("DICOMDIR itself", lambda folder: company.dicomdir(folder).parent / "DICOMDIR", "same"),
    Kind("folders in folders", lambda folder: series(folder / "a" / "b").parents[2], "same"),
    Kind("text and pictures", beside(lambda path: (path / "notes.txt").write_text("notes " * 99)), "same"),
    Kind("copies of files", beside(company.copies), "same", "copies"),
    Kind("a slice acquired again, brighter later", company.again(5), "resampled", "later acquisition"),
    Kind("a slice acquired again, brighter before", company.again(-5), "same", "later acquisition"),
    Kind("a slice twice, no order", company.again(0), "refused", "nothing says which was acquired later"),
]
SERIES = [
    Kind("one scan as two series", splits.parts(), "same", "joined"),
    Kind("one scan as two series in one folder", splits.parts(sub_folders=False), "same", "joined"),
    Kind(
        "two series with other pixels",
        splits.parts(PixelSpacing=[12, 12]),
        "refused",
        "CHEST A.*CHEST B.*pixel spacing",
    ),
    Kind(
        "two series of other frames",
        splits.parts(FrameOfReferenceUID="1.2.3"),
        "refused",
        "2 CT series.*CHEST A.*CHEST B",
    ),
    Kind("several series", splits.two_series, "refused", "2 CT series.*CHEST SOFT.*CHEST BONE.*--series"),
    Kind("several series, one by number", splits.two_series, "same", options=ReadOptions(series="3")),
    Kind(
        "several series of one number",
        splits.two_series_of_one_number,
        "refused",
        "several series have the number 3.* UID",
        ReadOptions(series="3"),
    ),
    Kind("several series, no such number", splits.two_series, "refused", "no series .* 8", ReadOptions(series="8")),
    Kind("MR", setting(Modality="MR"), "refused", "modality MR"),
]
TAGS = [
    Kind("no PixelSpacing", without("PixelSpacing"), "refused", "PixelSpacing"),
    Kind("ImagerPixelSpacing only", without("PixelSpacing", ImagerPixelSpacing=[9, 9]), "refused", "PixelSpacing"),
    Kind("no PixelSpacing in two slices", without("PixelSpacing", which=MIDDLE), "same", "PixelSpacing"),
    Kind("no orientation", without("ImageOrientationPatient"), "refused", "ImageOrientationPatient"),
    Kind("no orientation in two slices", without("ImageOrientationPatient", which=MIDDLE), "same", "ImageOrientation"),
    Kind(
        "axes of an orientation not at right angles",
        setting(ImageOrientationPatient=[1, 0, 0, 0.3, 0.9, 0]),
        "refused",
        "ImageOrientationPatient",
    ),
    Kind("no positions", without("ImagePositionPatient", SliceLocation=3), "refused", "ImagePositionPatient"),
    Kind("no position in two slices", without("ImagePositionPatient", which=MIDDLE), "refused", "ImagePositionPatient"),
    Kind("an empty position", setting(which=[4], ImagePositionPatient=None), "refused", "ImagePositionPatient"),
    Kind("pixel spacing of 0", setting(PixelSpacing=[0, 0]), "refused", "PixelSpacing"),
    Kind("frame of reference differs", setting(which=MIDDLE, FrameOfReferenceUID="1.2.3"), "refused", "FrameOfRef"),
    Kind("another patient's slice", setting(which=[4], PatientID="other"), "refused", "PatientID"),
    Kind("no series UID", without("SeriesInstanceUID"), "same"),
]
GEOMETRY = [
    Kind("regular", series, "same"),
    Kind("tilted gantry", grids.at(grids.STEADY, 17.0), "resampled", r"gantry tilt of 17\.0 degrees"),
    Kind("gantry tilted the other way", grids.at(grids.STEADY, -9.0), "resampled", r"gantry tilt of 9\.0 degrees"),
    Kind("sheared to the side", grids.at(grids.STEADY, sideways=0.2), "resampled", r"tilt of 11\.3 degrees"),
    Kind("thin below, thick above", grids.at(grids.TWO_STRETCHES), "resampled", "3 to 6 mm apart .*resampled to 3 mm"),
    Kind(
        "tilted, thin below, thick above",
        grids.at(grids.TWO_STRETCHES, 12.0),
        "resampled",
        "resampled to .* tilt of 12",
    ),
    Kind("gaps of 1 to 7 mm", grids.at(grids.UNEVEN), "resampled", "1 to 7 mm apart"),
    Kind("one slice missing", grids.gone(9), "resampled", "1 DICOM slice is missing .*resampled"),
    Kind("two slices missing in a row", grids.gone(9, 10), "resampled", "2 DICOM slices are missing"),
    Kind("three slices missing in a row", grids.gone(9, 10, 11), "refused", "3 DICOM slices are missing"),
]
FILES = [
    *[Kind(f"file {suffix}", files.as_file(suffix), "same") for suffix in (".nii", ".nii.gz", ".nrrd", ".mha", ".mhd")],
    Kind("qform only", files.nifti(codes=(1, 0)), "same"),
    Kind("sform only, zipped", files.nifti(codes=(0, 2), name="ct.nii.gz"), "same"),
    Kind("no sform and qform", files.nifti(codes=(0, 0)), "refused", "no orientation.*--assume-lps"),
    Kind("no sform and qform, LPS assumed", files.nifti(codes=(0, 0)), "resampled", "axes were taken for", LPS),
    Kind("sform off right angles by 1e-3", files.nifti(nudge=1e-3), "same", "not quite at right angles"),
    Kind("sform off right angles by 1e-4", files.nifti(codes=(0, 1), nudge=1e-4), "same"),
    Kind("sform and qform disagree", files.nifti(files.moved(30.0), codes=(1, 1)), "resampled", r"30\.0 mm apart"),
    Kind(
        "NRRD with spacings only",
        files.text_header(".nrrd", "spacings: 14 13 6", drop=("space",)),
        "refused",
        "orientation",
    ),
    Kind(
        "NRRD without space",
        files.text_header(".nrrd", "space dimension: 3", drop=("space:",)),
        "refused",
        "orientation",
    ),
    Kind("MetaImage without spacing", files.text_header(".mha", drop=("ElementSpacing",)), "refused", "no spacing"),
    Kind(
        "MetaImage without orientation", files.text_header(".mha", drop=("TransformMatrix",)), "refused", "orientation"
    ),
    Kind(
        "MetaImage without orientation, LPS assumed",
        files.text_header(".mha", drop=("TransformMatrix",)),
        "same",
        "were assumed",
        LPS,
    ),
    Kind("voxels of meters", files.patched_nifti("B", 123, 1), "refused", r"1.4e\+04 x"),
    Kind("voxels before the end of the header", files.patched_nifti("<f", 108, 0.0), "refused", "damaged"),
    Kind("intercept without slope", files.patched_nifti("<2f", 112, 0.0, 50.0), "refused", "scl_inter"),
    Kind("voxels behind the last one", files.patched_nifti("<h", 46, 20), "resampled", "3840 bytes more"),
    Kind("voxel size below 0", files.patched_nifti("<f", 80, -14.0, codes=(1, 0)), "refused", "no orientation"),
    Kind("NRRD in micrometers", files.text_header(".nrrd", 'space units: "um" "um" "um"'), "refused", "in um"),
    Kind("NRRD in mm", files.text_header(".nrrd", 'space units: "mm" "mm" "mm"'), "same"),
    Kind("MetaImage in cm", files.text_header(".mha", "DistanceUnits = cm"), "refused", "in cm"),
    Kind(
        "MetaImage to be scaled",
        files.text_header(".mha", "ElementToIntensityFunctionSlope = 2"),
        "refused",
        "ElementToIntensityFunction",
    ),
    Kind("MetaImage whose voxels have a header", files.raw_with_header, "refused", r"ct\.raw.* 48 bytes"),
    Kind("wrong bitpix", files.patched_nifti("<h", 72, 8), "same", "16 bits each by their data type.* 8 by bitpix"),
    Kind("no unit quaternion", files.patched_nifti("<3f", 256, 0.9, 0.9, 0.9, codes=(1, 0)), "refused", "damaged"),
    Kind("MetaImage, compressed", files.zipped_meta_image(), "same"),
    Kind("MetaImage, compressed and cut off", files.zipped_meta_image(cut=500), "refused", "damaged or cut off"),
    Kind("MetaImage, other compressed size", files.zipped_meta_image(more=-99), "refused", "damaged or cut off"),
    Kind("MetaImage with HeaderSize", files.text_header(".mha", "HeaderSize = 48"), "refused", "HeaderSize"),
    Kind("NRRD and its voxels", files.detached_nrrd(), "same"),
    Kind("NRRD, big endian", files.detached_nrrd(big_endian=True), "same"),
    Kind("NRRD whose voxels have a header", files.detached_nrrd(ahead=48), "refused", r"ct\.raw.* 48 bytes"),
    Kind("NRRD that says so", files.detached_nrrd("byte skip: 48", ahead=48), "same"),
    Kind("VTK", files.as_file(".vtk"), "refused", "does not say where its voxels lie"),
    Kind("MetaImage without origin", files.text_header(".mha", drop=("Offset", "Position")), "resampled", "no origin"),
]
KINDS = [*PIXELS, *FRAMES, *BESIDE, *SERIES, *TAGS, *GEOMETRY, *FILES]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_storage_is_read_right_or_named(tmp_path: Path, kind: Kind) -> None:
    path = kind.make(tmp_path)
    before = locale.setlocale(locale.LC_ALL)
    try:
        read = read_volume(path, kind.options)
        said = [remark for remark in check_ct(read) if remark in read.remarks]
    except InputError as error:
        read, said = None, [str(error)]
    assert locale.setlocale(locale.LC_ALL) == before
    assert all(sentence.endswith(".") and "\n" not in sentence for sentence in said)
    if kind.outcome == "refused":
        assert read is None, said
    else:
        assert read is not None, said
    if kind.says:
        assert_said(kind.says, said)
    else:
        assert said == []
    if kind.outcome == "same":
        assert read is not None
        off_mm, off_hu = difference(read, VOLUME)
        assert off_mm < (0.3 if "right angles" in kind.name else 1e-3)
        assert off_hu < 1e-3


def test_a_library_that_changes_the_locale_does_so_for_itself_alone(tmp_path: Path) -> None:
    path, own = tmp_path / "one.vtk", locale.setlocale(locale.LC_ALL)
    sitk.WriteImage(VOLUME.to_image(), path)
    reader = sitk.ImageFileReader()
    reader.SetFileName(path)
    try:
        before = locale.setlocale(locale.LC_ALL, "C.UTF-8")
        with libraries_silenced():
            reader.ReadImageInformation()
        assert locale.setlocale(locale.LC_ALL) == before
    finally:
        locale.setlocale(locale.LC_ALL, own)


def assert_said(pattern: str, said: list[str]) -> None:
    """All words of the pattern are in what was said."""
    import re

    assert re.search(pattern, " ".join(said)), said


def difference(read: Volume, wanted: Volume) -> tuple[float, float]:
    """How far voxels lie from where they should at most, mm, and how far their values are off at most, HU.

    The grids may have other axes, but must hold the same voxels.
    """
    corners = np.array(np.meshgrid(*[[0.0, count - 1.0] for count in wanted.size])).reshape(3, -1).T
    lps = corners @ wanted.index_to_lps[:3, :3].T + wanted.index_to_lps[:3, 3]
    index = (lps - read.index_to_lps[:3, 3]) @ np.linalg.inv(read.index_to_lps[:3, :3]).T
    off = (index - np.rint(index)) @ read.index_to_lps[:3, :3].T
    image = sitk.Resample(read.to_image(), wanted.to_image(), sitk.Transform(), sitk.sitkNearestNeighbor, 9999.0)
    values = np.abs(sitk.GetArrayFromImage(image).astype(float) - wanted.array)
    return float(np.linalg.norm(off, axis=1).max()), float(values.max())


@settings(max_examples=12)
@given(geometry=any_geometry(), slope=st.sampled_from([0.25, 0.5, 1.0]), first=st.integers(6, 18))
def test_any_grid_in_any_split_is_the_same_body(geometry, slope: float, first: int) -> None:
    spacing = (14.0, 13.0, 6.0)
    volume = torso((24, 20, 24), spacing, geometry.direction, noise_hu=0)
    if body_length_mm(volume) < SHORTEST_MM or body_axis(volume).index != 2:
        volume = torso((24, 20, 24), spacing, np.eye(3), noise_hu=0)
    # DICOM knows no left-handed grids: its slices run the other way.
    upright = volume if np.linalg.det(volume.direction) > 0 else flipped(volume)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "study"
        for name, low, high in (("A", 0, first), ("B", first, 24)):
            write_series(path / name, slices(upright, low, high), series=name, slope=slope, PatientID="P")
        off_mm, off_hu = difference(read_volume(path), volume)
    assert off_mm < 1e-3
    assert off_hu < 1e-3


def flipped(volume: Volume) -> Volume:
    """The same voxels in the same places, the last axis the other way round."""
    last = volume.index_to_lps @ [0, 0, volume.size[2] - 1, 1]
    direction = volume.direction * np.array([1.0, 1.0, -1.0])
    return Volume(volume.array[::-1], volume.spacing, tuple(last[:3]), direction)


@pytest.mark.parametrize(
    "padding",
    [
        {"first": 5000},
        {"first": 5000, "last": 5010},
        {"first": 5000, "by_slice": 1},
        {"first": 6000, "intercept_by_slice": -10},
    ],
    ids=["one value", "a range", "another value in each slice", "another intercept in each slice"],
)
def test_padding_that_is_not_air_is_told_by_its_tag(tmp_path: Path, padding: dict[str, int]) -> None:
    read = read_volume(pixels.padded(**padding)(tmp_path))
    assert np.all(read.array[:, 0, 0] == -1000)
    assert np.all(read.where(Provenance.NO_DATA)[:, 0, 0])
    assert read.array.max() == VOLUME.array.max()
