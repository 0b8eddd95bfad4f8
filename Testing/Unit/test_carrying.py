"""What belongs to the moving scan is carried to the fixed one: each kind in the right direction, or not at all."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from command_line import Run
from dicom_series import FRAME, write_series
from geometries import TURN, Geometry, any_geometry, rotation
from hypothesis import given, settings
from hypothesis import strategies as st
from phantoms import torso, write
from radiotherapy import MOVING_FRAME, write_dose, write_structures

from SSPELib.alignment import Alignment, grid_of, read_alignment
from SSPELib.carrying import carry
from SSPELib.carrying.carry import Target
from SSPELib.carrying.images import carried_dose, carried_image, carried_labels, grid_like
from SSPELib.errors import InputError
from SSPELib.io import Outputs, read_volume
from SSPELib.poses import matrix_of, to_transform
from SSPELib.volume import Volume

REFERENCE = torso(size=(24, 20, 24), spacing=(14.0, 13.0, 6.0), name="reference")


def smooth_volume(geometry: Geometry, wave: float = 60.0) -> Volume:
    """A field that is a plain function of the place, in the middle of any grid; float32."""
    volume = Volume(np.zeros((11, 12, 13), np.float32), geometry.spacing, geometry.origin, geometry.direction)
    index = np.stack(np.meshgrid(*(np.arange(n) for n in volume.size), indexing="ij"), axis=-1)
    places = index @ volume.index_to_lps[:3, :3].T + volume.index_to_lps[:3, 3]
    return volume.like(field(places, wave).transpose(2, 1, 0).astype(np.float32))


def field(places: np.ndarray, wave: float = 60.0) -> np.ndarray:
    x, y, z = np.moveaxis(places, -1, 0)
    return 100 * np.sin(x / wave) + 70 * np.cos(y / wave) + 50 * np.sin((x + z) / wave)


def aligned(**fields: object) -> Alignment:
    return replace(Alignment(TURN, "found.tfm"), **fields)


def carried_file(path: Path, output: Path, alignment: Alignment, target: Target) -> tuple[str, ...]:
    found = carry(path, output, alignment, target)
    with Outputs() as outputs:
        found.save(outputs, output)
    return found.warnings


@pytest.fixture
def target(tmp_path: Path) -> Target:
    """A fixed scan that is a DICOM series."""
    folder = tmp_path / "fixed"
    write_series(folder, PatientID="P1")
    return Target(read_volume(folder), folder)


@settings(max_examples=25)
@given(
    moving=any_geometry(),
    degrees=st.tuples(*[st.floats(-40, 40)] * 3),
    shift=st.tuples(*[st.floats(-3, 3)] * 3),
    spacing=st.floats(0.6, 1.4),
)
def test_images_labels_and_doses_go_where_simpleitk_takes_them(moving, degrees, shift, spacing) -> None:
    volume = smooth_volume(moving)
    center = (volume.index_to_lps @ [6, 5.5, 5, 1])[:3]
    transform = sitk.VersorRigid3DTransform()
    transform.SetMatrix(rotation(degrees).ravel().tolist())
    transform.SetTranslation(center + np.array(shift))
    size = [9, 8, 7]
    grid = sitk.Image(size, sitk.sitkUInt8)
    grid.SetSpacing([spacing * min(moving.spacing)] * 3)
    grid.SetOrigin((-np.array(grid.GetSpacing()) * (np.array(size) - 1) / 2).tolist())
    image = volume.to_image()
    labels = sitk.Cast(sitk.Clamp(image, sitk.sitkFloat32, 0, 200) / 40, sitk.sitkUInt8)
    nearest = sitk.Resample(labels, grid, transform, sitk.sitkNearestNeighbor, 0)
    assert sitk.Hash(carried_labels(labels, grid, transform)) == sitk.Hash(nearest)
    linear = sitk.GetArrayFromImage(sitk.Resample(image, grid, transform, sitk.sitkLinear, 0.0))
    np.testing.assert_allclose(sitk.GetArrayFromImage(carried_dose(image, grid, transform)), linear, atol=1e-3)
    inside = sitk.GetArrayFromImage(sitk.Resample(image * 0 + 1, grid, transform, sitk.sitkNearestNeighbor, 0.0)) > 0
    spline = sitk.GetArrayFromImage(carried_image(image, grid, transform, 0.0))
    # The field bends by at most 5 units within the widest voxel of 6 mm, which is what linear interpolation misses.
    assert np.abs(spline - linear)[inside].max(initial=0) < 5


def test_the_sharp_kernel_does_not_ring_at_the_skin_and_is_sharper_than_linear() -> None:
    step = np.full((20, 20, 20), -1000, np.int16)
    step[:, :, 10:] = 40
    volume = Volume(step, (2, 2, 2), (0, 0, 0), np.eye(3))
    half = sitk.TranslationTransform(3, (0.5, 0.0, 0.0))
    found = sitk.GetArrayFromImage(carried_image(volume.to_image(), volume.to_image(), half, -1000.0))
    assert found.min() == -1000
    assert found.max() == 40
    ramp = volume.like(np.clip(np.arange(20) - 8, 0, 3).astype(np.float32) * 100 + np.zeros((20, 20, 1), np.float32))
    spline = sitk.GetArrayFromImage(carried_image(ramp.to_image(), ramp.to_image(), half, 0.0))
    linear = sitk.GetArrayFromImage(sitk.Resample(ramp.to_image(), ramp.to_image(), half, sitk.sitkLinear, 0.0))
    assert np.diff(spline, axis=2).max() >= np.diff(linear, axis=2).max()


@pytest.mark.parametrize("suffix", [".vtp", ".stl"])
@pytest.mark.parametrize("system", ["LPS", "RAS"])
def test_surfaces_go_through_the_inverse_with_their_normals(tmp_path: Path, suffix: str, system: str) -> None:
    vtk = pytest.importorskip("vtkmodules.all", reason="surface meshes need VTK")
    numpy_support = pytest.importorskip("vtkmodules.util.numpy_support")
    sphere = vtk.vtkCubeSource()
    sphere.SetCenter(10, 20, 30)
    sphere.Update()
    mesh, path, output = sphere.GetOutput(), tmp_path / f"heart{suffix}", tmp_path / f"carried{suffix}"
    writer = vtk.vtkSTLWriter() if suffix == ".stl" else vtk.vtkXMLPolyDataWriter()
    if suffix == ".stl":
        writer.SetHeader(f"3D Slicer output. SPACE={system}")
        triangles = vtk.vtkTriangleFilter()
        triangles.SetInputData(mesh)
        triangles.Update()
        mesh = triangles.GetOutput()
    else:
        space = vtk.vtkStringArray()
        space.SetName("SPACE")
        space.InsertNextValue(system)
        mesh.GetFieldData().AddArray(space)
    writer.SetInputData(mesh)
    writer.SetFileName(str(path))
    writer.Write()
    carried_file(path, output, aligned(), Target(REFERENCE, tmp_path))
    reader = vtk.vtkSTLReader() if suffix == ".stl" else vtk.vtkXMLPolyDataReader()
    signs = np.array([1.0, 1, 1] if system == "LPS" else [-1.0, -1, 1])

    def read(file: Path) -> np.ndarray:
        reader.SetFileName(str(file))
        reader.Modified()
        reader.Update()
        return numpy_support.vtk_to_numpy(reader.GetOutput().GetPoints().GetData()).astype(float).copy() * signs

    before, after = read(path), read(output)
    np.testing.assert_allclose([TURN.TransformPoint(one.tolist()) for one in after], before, atol=1e-3)
    if suffix == ".vtp":
        normals = numpy_support.vtk_to_numpy(reader.GetOutput().GetPointData().GetNormals())
        assert np.abs(np.abs(normals) - np.rint(np.abs(normals))).max() > 0.01
    again = tmp_path / f"back{suffix}"
    carried_file(output, again, aligned().inverse, Target(REFERENCE, tmp_path))
    np.testing.assert_allclose(read(again), before, atol=1e-3)


@pytest.mark.parametrize("degrees", [(0, 0, 0), (7, -5, 20)])
@pytest.mark.parametrize("flip", [1.0, -1.0])
def test_dose_keeps_unit_and_scaling_and_lies_where_simpleitk_puts_it(
    tmp_path: Path, target: Target, degrees: tuple[float, float, float], flip: float
) -> None:
    stored = np.random.default_rng(1).integers(0, 300000, (14, 15, 16)).astype(np.uint32)
    direction = rotation(degrees) @ np.diag([1, 1, flip])
    grid = replace(torso(size=(16, 15, 14), spacing=(10, 11, 9), direction=direction), array=stored)
    dose = write_dose(tmp_path / "dose.dcm", grid.array, grid)
    alignment = aligned(frames={"fixed": FRAME, "moving": MOVING_FRAME})
    for output in (tmp_path / "carried.dcm", tmp_path / "carried.nrrd"):
        carried_file(dose, output, alignment, target)
    expected = sitk.GetArrayFromImage(
        sitk.Resample(
            sitk.Cast(grid.to_image(), sitk.sitkFloat64), grid_like(target.volume), TURN, sitk.sitkLinear, 0.0
        )
    )
    assert expected.max() > 1e5
    data = pydicom.dcmread(tmp_path / "carried.dcm")
    assert (str(data.DoseGridScaling), data.DoseUnits, data.BitsAllocated) == ("0.00025", "GY", 32)
    assert data.FrameOfReferenceUID == FRAME
    assert data.ApprovalStatus == "UNAPPROVED"
    assert np.abs(data.pixel_array - expected).max() <= 1
    np.testing.assert_allclose(
        sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "carried.nrrd"))), expected * 0.00025, atol=1e-4
    )
    read = sitk.ReadImage(str(tmp_path / "carried.dcm"))
    np.testing.assert_allclose(read.GetOrigin(), target.volume.origin, atol=1e-4)
    np.testing.assert_allclose(read.GetSpacing()[:2], target.volume.spacing[:2], atol=1e-4)


# A turn about the body's axis, which leaves slices parallel.
UPRIGHT = sitk.VersorRigid3DTransform((0, 0, 1), 0.3, (15, -12, 25), (5, 10, -10))


def test_contours_go_through_the_inverse_and_refer_to_the_reference(tmp_path: Path, target: Target) -> None:
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    rings = [np.column_stack([30 * np.cos(angle), 40 * np.sin(angle), np.full(40, z)]) for z in (-10.0, -4.0, 2.0)]
    path = write_structures(tmp_path / "structures.dcm", rings)
    alignment = aligned(transform=UPRIGHT, frames={"fixed": FRAME, "moving": MOVING_FRAME})
    assert carried_file(path, tmp_path / "carried.dcm", alignment, target) == ()
    data = pydicom.dcmread(tmp_path / "carried.dcm")
    for ring, contour in zip(rings, data.ROIContourSequence[0].ContourSequence, strict=True):
        found = np.array(contour.ContourData, dtype=float).reshape(-1, 3)
        np.testing.assert_allclose([UPRIGHT.TransformPoint(one.tolist()) for one in found], ring, atol=1e-3)
        assert "ContourImageSequence" not in contour
    scan = data.ReferencedFrameOfReferenceSequence[0]
    assert scan.FrameOfReferenceUID == data.StructureSetROISequence[0].ReferencedFrameOfReferenceUID == FRAME
    images = scan.RTReferencedStudySequence[0].RTReferencedSeriesSequence[0].ContourImageSequence
    assert len(images) == target.volume.size[2]
    carried_file(
        tmp_path / "carried.dcm",
        tmp_path / "back.dcm",
        alignment.inverse,
        replace(target, volume=replace(target.volume, frame_of_reference=MOVING_FRAME)),
    )
    back = pydicom.dcmread(tmp_path / "back.dcm").ROIContourSequence[0].ContourSequence[1].ContourData
    np.testing.assert_allclose(np.array(back, dtype=float).reshape(-1, 3), rings[1], atol=1e-3)


def shell(center: tuple[float, float, float], radii: tuple[float, ...], step: float) -> list[np.ndarray]:
    """Contours of a ball of the first radius with hollow balls of the other radii, LPS mm."""
    angle = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    rings = []
    for radius in radii:
        for z in np.arange(-radius + step / 2, radius, step):
            across = np.sqrt(radius**2 - z**2)
            rings.append(np.column_stack([across * np.cos(angle), across * np.sin(angle), np.full(120, z)]) + center)
    return rings


def contours_of(path: Path) -> list[np.ndarray]:
    data = pydicom.dcmread(path)
    return [np.array(c.ContourData, float).reshape(-1, 3) for c in data.ROIContourSequence[0].ContourSequence]


@pytest.mark.parametrize("degrees", [(12, -7, 20), (-3, 0, 0), (85, 5, 0)])
def test_tilted_contours_are_drawn_anew_in_the_slices_of_the_reference(
    tmp_path: Path, target: Target, degrees: tuple[float, float, float]
) -> None:
    transform = sitk.AffineTransform(rotation(degrees).ravel().tolist(), (10, -20, 30))
    center = np.array(transform.TransformPoint((8.0, -5.0, 11.0)))
    path = write_structures(tmp_path / "structures.dcm", shell(tuple(center), (40.0, 15.0), 2.5))
    alignment = aligned(transform=transform, frames={"fixed": FRAME, "moving": MOVING_FRAME})
    [warning] = carried_file(path, tmp_path / "carried.dcm", alignment, target)
    assert "1 of 1 structures were drawn anew" in warning
    drawn = contours_of(tmp_path / "carried.dcm")
    planes = {round(float(one[:, 2].mean()), 3) for one in drawn}
    heights = np.array([(target.volume.index_to_lps @ [0, 0, k, 1])[2] for k in range(target.volume.size[2])])
    for one in drawn:
        assert np.ptp(one[:, 2]) < 1e-3
        assert np.abs(heights - one[0, 2]).min() < 1e-3
    assert len(planes) >= 12
    # The ball was not cut off, nor its hollow filled: all points lie on one of both surfaces.
    radii = np.linalg.norm(np.concatenate(drawn) - [8.0, -5.0, 11.0], axis=1)
    # Half a slice of the drawn planes, which is how far the outermost of them stand for the body.
    off = np.minimum(np.abs(radii - 40), np.abs(radii - 15))
    assert off.max() < 2.0
    assert np.median(off) < 0.1
    assert {1, 2} == {sum(abs(one[0, 2] - z) < 0.01 for one in drawn) for z in planes}
    contour = pydicom.dcmread(tmp_path / "carried.dcm").ROIContourSequence[0].ContourSequence[0]
    assert contour.ContourGeometricType == "CLOSED_PLANAR"
    assert contour.ContourImageSequence[0].ReferencedSOPInstanceUID


def test_a_structure_in_one_plane_is_as_thick_as_a_slice(tmp_path: Path, target: Target) -> None:
    center = np.array(TURN.TransformPoint((8.0, -5.0, 11.0)))
    [ring] = shell(tuple(center), (30.0,), 60.0)
    path = write_structures(tmp_path / "structures.dcm", [ring])
    carried_file(path, tmp_path / "carried.dcm", aligned(), target)
    drawn = contours_of(tmp_path / "carried.dcm")
    assert {one[0, 2] for one in drawn} <= {9.0, 15.0}
    points = np.concatenate(drawn) - [8.0, -5.0, 11.0]
    assert np.linalg.norm(points, axis=1).max() < 31
    small = write_structures(tmp_path / "small.dcm", [center + np.array([[0.0, 0, 0], [0.01, 0, 0], [0, 0.01, 0]])])
    warnings = carried_file(small, tmp_path / "carried.dcm", aligned(), target)
    assert "1 structures are so thin that no slice meets them" in warnings[-1]
    assert len(contours_of(tmp_path / "carried.dcm")) == 1


def test_contours_in_planes_that_are_not_parallel_are_refused(tmp_path: Path, target: Target) -> None:
    ring = shell((0.0, 0.0, 0.0), (30.0,), 30.0)[0]
    path = write_structures(tmp_path / "structures.dcm", [ring, ring[:, [2, 0, 1]]])
    with pytest.raises(InputError, match=r"not parallel.*label map"):
        carried_file(path, tmp_path / "out.dcm", aligned(), target)


def labels_of(volume: Volume) -> Volume:
    return replace(volume, array=(volume.array > 0).astype(np.uint8) + (volume.array > 400))


def test_labels_there_and_back_stay_what_they_are(tmp_path: Path) -> None:
    moving = torso(size=(96, 72, 60), spacing=(4, 4, 4), noise_hu=0)
    reference = Target(torso(size=(110, 90, 80), spacing=(3.5, 3.5, 3.5), noise_hu=0), tmp_path)
    path = write(labels_of(moving), tmp_path / "labels.nii.gz")
    there, back = tmp_path / "there.nii.gz", tmp_path / "back.nii.gz"
    assert carried_file(path, there, aligned(), replace(reference, extend=True)) == ()
    carried_file(there, back, aligned().inverse, Target(moving, path))
    found, expected = (sitk.GetArrayFromImage(sitk.ReadImage(str(file))) for file in (back, path))
    for label, least in ((1, 0.97), (2, 0.9)):
        dice = 2 * np.sum((found == label) & (expected == label)) / (np.sum(found == label) + np.sum(expected == label))
        assert dice > least, label


def test_slicers_notes_on_segments_go_along(tmp_path: Path) -> None:
    image = labels_of(REFERENCE).to_image()
    for key, value in {"Segment0_Name": "heart", "Segment0_LabelValue": "1", "Segment0_Extent": "3 4 5 6 7 8"}.items():
        image.SetMetaData(key, value)
    path, output = tmp_path / "drawn.seg.nrrd", tmp_path / "carried.seg.nrrd"
    sitk.WriteImage(image, str(path))
    carried_file(path, output, aligned(), Target(REFERENCE, tmp_path))
    read = sitk.ReadImage(str(output))
    assert read.GetMetaData("Segment0_Name") == "heart"
    assert read.GetMetaData("Segment0_Extent") == "0 23 0 19 0 23"


def test_segments_in_layers_go_along_and_need_an_orientation_too(tmp_path: Path) -> None:
    labels = labels_of(REFERENCE).to_image()
    path, output = tmp_path / "layers.seg.nrrd", tmp_path / "carried.seg.nrrd"
    sitk.WriteImage(sitk.Compose(labels, sitk.Cast(labels == 1, labels.GetPixelID())), str(path))
    carried_file(path, output, aligned(), Target(REFERENCE, tmp_path))
    one, other = (sitk.VectorIndexSelectionCast(sitk.ReadImage(str(output)), layer) for layer in (0, 1))
    assert sitk.GetArrayFromImage(one == 2).any()
    assert np.array_equal(sitk.GetArrayFromImage(other), sitk.GetArrayFromImage(one == 1))
    header, _, voxels = path.read_bytes().partition(b"\n\n")
    lines = [line for line in header.split(b"\n") if not line.startswith(b"space")]
    path.write_bytes(b"\n".join([*lines, b"space dimension: 3"]) + b"\n\n" + voxels)
    with pytest.raises(InputError, match="no orientation"):
        carried_file(path, output, aligned(), Target(REFERENCE, tmp_path))


def test_labels_become_a_dicom_segmentation_and_come_back(tmp_path: Path, target: Target) -> None:
    pytest.importorskip("highdicom", reason="DICOM segmentations need the extra dicom")
    path = write(
        labels_of(replace(REFERENCE, origin=TURN.TransformPoint(REFERENCE.origin))), tmp_path / "labels.nii.gz"
    )
    carried_file(path, tmp_path / "carried.nii.gz", aligned(), target)
    carried_file(path, tmp_path / "carried.dcm", aligned(), target)
    data = pydicom.dcmread(tmp_path / "carried.dcm")
    assert data.FrameOfReferenceUID == FRAME
    assert data.PatientID == "P1"
    still = aligned(transform=sitk.AffineTransform(3))
    carried_file(tmp_path / "carried.dcm", tmp_path / "again.nii.gz", still, target)
    one, other = (sitk.ReadImage(str(tmp_path / name)) for name in ("carried.nii.gz", "again.nii.gz"))
    assert np.array_equal(sitk.GetArrayFromImage(one), sitk.GetArrayFromImage(other))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: write(REFERENCE.like(np.zeros_like(REFERENCE.array)), folder / "none.nrrd"), "is empty"),
        (
            lambda folder: write_dose(folder / "d.dcm", np.ones((24, 20, 24)), REFERENCE, DoseGridScaling=None),
            "(3004,000E)",
        ),
        (lambda folder: write_dose(folder / "d.dcm", np.zeros((24, 20, 24)), REFERENCE), "0 everywhere"),
        (
            lambda folder: write_dose(folder / "d.dcm", np.ones((24, 20, 24)), REFERENCE, FrameOfReferenceUID="1.2.3"),
            "1.2.3",
        ),
        (
            lambda folder: write_dose(folder / "d.dcm", np.ones((24, 20, 24)), REFERENCE, FrameOfReferenceUID=FRAME),
            "--inverse",
        ),
        (lambda folder: write_structures(folder / "s.dcm", [np.eye(3)], frame="1.2.3"), "1.2.3"),
        (lambda folder: write_structures(folder / "s.dcm", []), "no contours"),
        (lambda folder: write(replace(REFERENCE, origin=(5000, 0, 0)), folder / "far.nii.gz"), "another pair"),
        (lambda folder: folder / "missing.nii.gz", "does not exist"),
        (lambda folder: folder / "fixed" / "000.dcm", "the folder of a whole series"),
    ],
)
def test_bad_inputs_are_refused_in_a_sentence(tmp_path: Path, target: Target, make, words: str) -> None:
    alignment = aligned(frames={"fixed": FRAME, "moving": MOVING_FRAME})
    path = make(tmp_path)
    output = tmp_path / ("out.dcm" if path.suffix == ".dcm" else "out.nii.gz")
    with pytest.raises(InputError) as error:
        carried_file(path, output, alignment, target)
    assert words in str(error.value)
    assert not output.exists()


def test_a_reference_of_another_frame_is_refused(target: Target, tmp_path: Path) -> None:
    path = write(REFERENCE, tmp_path / "image.nii.gz")
    with pytest.raises(InputError, match=r"1\.2\.3"):
        carry(path, tmp_path / "out.nii.gz", aligned(frames={"fixed": "1.2.3"}), target)


def test_data_of_the_fixed_scan_are_refused_and_go_the_other_way(tmp_path: Path) -> None:
    moving = torso(size=(24, 20, 20), spacing=(14, 13, 6))
    alignment = aligned(grids={"fixed": grid_of(REFERENCE), "moving": grid_of(moving)})
    path = write(labels_of(REFERENCE), tmp_path / "labels.nii.gz")
    with pytest.raises(InputError, match="--inverse"):
        carry(path, tmp_path / "out.nii.gz", alignment, Target(REFERENCE, tmp_path))
    assert carry(path, tmp_path / "out.nii.gz", alignment.inverse, Target(moving, tmp_path)).kind == "labels"


def test_the_report_beside_a_transform_is_found_by_its_matrix(tmp_path: Path) -> None:
    path = tmp_path / "found.tfm"
    sitk.WriteTransform(TURN, str(path))
    other = {"matrix_fixed_to_moving_lps": np.eye(4).tolist(), "reliable": True}
    own = {
        "matrix_fixed_to_moving_lps": matrix_of(TURN).tolist(),
        "reliable": False,
        "reasons": ["a gap"],
        "frames_of_reference": {"fixed": FRAME, "moving": None},
    }
    (tmp_path / "a.json").write_text(json.dumps(other))
    (tmp_path / "b.json").write_text("no json")
    assert read_alignment(path).reliable is None
    (tmp_path / "c.json").write_text(json.dumps(own))
    found = read_alignment(path)
    assert (found.reliable, found.reasons, found.frames) == (False, ("a gap",), {"fixed": FRAME})
    assert read_alignment(path, tmp_path / "c.json").reliable is False
    with pytest.raises(InputError, match="another transform"):
        read_alignment(path, tmp_path / "a.json")
    np.testing.assert_allclose(matrix_of(to_transform(matrix_of(found.transform))), matrix_of(TURN), atol=1e-9)


def test_apply_carries_an_image_and_says_what_is_cut_off(tmp_path: Path, run_without_model: Run) -> None:
    moving = write(torso(size=(40, 32, 40), spacing=(8, 8, 6)), tmp_path / "moving.nii.gz")
    reference = write(torso(size=(40, 32, 30), spacing=(8, 8, 6), center=(0, 0, 90)), tmp_path / "fixed.nii.gz")
    sitk.WriteTransform(TURN, str(tmp_path / "found.tfm"))
    arguments = ["--transform", tmp_path / "found.tfm", "--reference", reference]
    found = run_without_model("apply", moving, tmp_path / "out.nii.gz", *arguments)
    assert found.code == 0, found.err
    assert "is cut off" in found.err
    out, expected = sitk.ReadImage(str(tmp_path / "out.nii.gz")), sitk.ReadImage(str(reference))
    assert out.GetSize() == expected.GetSize()
    linear = sitk.Resample(sitk.ReadImage(str(moving)), expected, TURN, sitk.sitkLinear, -1000.0)
    difference = np.abs(sitk.GetArrayFromImage(out).astype(int) - sitk.GetArrayFromImage(linear))
    assert np.median(difference) < 15
    assert run_without_model("apply", moving, tmp_path / "all.nii.gz", *arguments, "--extend").err == ""
    assert sitk.ReadImage(str(tmp_path / "all.nii.gz")).GetSize()[2] > 50
    bad = run_without_model("apply", moving, moving, *arguments)
    assert bad.code == 2
