"""Volumes under transforms that bend or shear them, as Slicer's DICOM reader makes them: straightened copies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import slicer
import vtk
from numpy.typing import NDArray

# Each slice lies two rows of 2.5 mm further back than the one 5 mm below it: a gantry tilted by 45 degrees.
SPACING = (5.0, 2.5, 5.0)
ROWS_A_SLICE = 2
LENGTH_MM = 60.0
KINDS = ("acquisition transform", "linear parent", "own axes")


def crooked_node(kind: str) -> tuple[Any, NDArray[Any], NDArray[np.bool_]]:
    """A node of a tilted scan, what its straightened copy must hold (z, y, x), and which voxels nobody scanned."""
    from SSPESlicer.selftest import addNode, body

    straight = body(LENGTH_MM, SPACING)
    count, height, width = straight.array.shape
    rows = ROWS_A_SLICE * np.arange(count)
    scanned = np.array([np.roll(plane, -row, axis=0) for plane, row in zip(straight.array, rows, strict=True)])
    node = addNode(straight.like(scanned), "tilted head")
    ras = ijk_to_ras(node)
    step = ROWS_A_SLICE * ras[:3, 1]
    shear = np.eye(4)
    shear[:3, 2] += step / SPACING[2]
    shear[:3, 3] = -step / SPACING[2] * ras[2, 3]
    if kind == "own axes":
        node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(shear @ ras))
    elif kind == "linear parent":
        parent = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "shear")
        parent.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(shear))
        node.SetAndObserveTransformNodeID(parent.GetID())
    else:
        acquisition_transform(node, rows[:, None] * ras[:3, 1])
    expected = np.full((count, height + rows[-1], width), -1000, np.int16)
    missing = np.ones(expected.shape, dtype=bool)
    for index, row in enumerate(rows):
        expected[index, row : row + height], missing[index, row : row + height] = scanned[index], False
    return node, expected, missing


def acquisition_transform(node: Any, displacements: NDArray[np.float64]) -> None:
    """Move each slice of a volume by a displacement (slices, 3), RAS mm, as Slicer's DICOM reader does.

    It makes a grid of two by two vectors for each slice, in the axes of the volume, as the transform to the parent.
    """
    columns, rows, count = node.GetImageData().GetDimensions()
    x, y, z = node.GetSpacing()
    image = vtk.vtkImageData()
    image.SetOrigin(*node.GetOrigin())
    image.SetDimensions(2, 2, count)
    image.SetSpacing(x * columns, y * rows, z)
    image.AllocateScalars(vtk.VTK_DOUBLE, 3)
    directions = vtk.vtkMatrix4x4()
    node.GetIJKToRASDirectionMatrix(directions)
    grid = slicer.vtkOrientedGridTransform()
    grid.SetGridDirectionMatrix(directions)
    grid.SetDisplacementGridData(image)
    name = f"{node.GetName()} acquisition transform"
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLGridTransformNode", name)
    transform.SetAndObserveTransformToParent(grid)
    slicer.util.arrayFromGridTransform(transform)[:] = displacements[:, None, None, :]
    slicer.util.arrayFromGridTransformModified(transform)
    node.SetAndObserveTransformNodeID(transform.GetID())


def ijk_to_ras(node: Any) -> NDArray[np.float64]:
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


@pytest.mark.parametrize("kind", KINDS)
def test_the_copy_holds_what_was_scanned_where_it_lies_and_marks_the_rest(sspe: Any, kind: str) -> None:
    from SSPELib.volume import Provenance
    from SSPESlicer.scene import marks, volumes
    from SSPESlicer.scene.straightening import isStraight, straightenedCopy
    from SSPESlicer.selftest import body

    node, expected, missing = crooked_node(kind)
    array, matrix, parent = slicer.util.arrayFromVolume(node).copy(), ijk_to_ras(node), node.GetParentTransformNode()
    assert not isStraight(node)
    assert volumes.problemOf(node) is not None
    copy = straightenedCopy(node)
    assert isStraight(copy)
    assert (copy.GetName(), copy.GetParentTransformNode()) == ("tilted head straightened", None)
    found = slicer.util.arrayFromVolume(copy)
    assert (found.dtype, found.shape) == (np.int16, expected.shape)
    np.testing.assert_array_equal(marks.noDataArray(copy) > 0, missing)
    assert np.abs(found.astype(float) - expected).max() <= 1
    volume, straight = volumes.scanFromNode(copy), body(LENGTH_MM, SPACING)
    np.testing.assert_allclose(volume.spacing, SPACING, atol=1e-6)
    np.testing.assert_allclose(volume.index_to_lps, straight.index_to_lps, atol=1e-3)
    np.testing.assert_array_equal(volume.where(Provenance.NO_DATA), marks.noDataArray(copy) > 0)
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(node), array)
    np.testing.assert_array_equal(ijk_to_ras(node), matrix)
    assert node.GetParentTransformNode() is parent


def test_a_copy_of_the_copy_with_its_transform_built_in_keeps_the_marks(sspe: Any) -> None:
    from SSPESlicer.scene import marks
    from SSPESlicer.scene.hardening import hardenedCopy
    from SSPESlicer.scene.straightening import straightenedCopy

    node, _expected, missing = crooked_node("linear parent")
    copy = straightenedCopy(node)
    table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "table")
    table.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(np.diag([-1.0, -1, 1, 1])))
    for marked in (copy, *marks.markingsOf(copy)):
        marked.SetAndObserveTransformNodeID(table.GetID())
    np.testing.assert_array_equal(marks.noDataArray(copy) > 0, missing)
    np.testing.assert_array_equal(marks.noDataArray(hardenedCopy(copy)) > 0, missing)


def test_what_slicer_fills_with_tissue_is_no_data_and_air(sspe: Any) -> None:
    """Slicer takes the median of a volume's corners for what is around it, which may be tissue."""
    from SSPESlicer.scene import marks
    from SSPESlicer.scene.straightening import straightenedCopy

    node, _expected, missing = crooked_node("acquisition transform")
    slicer.util.updateVolumeFromArray(node, np.full_like(slicer.util.arrayFromVolume(node), 40))
    assert node.GetImageBackgroundScalarComponentAsDouble(0) == 40
    copy = straightenedCopy(node)
    array = slicer.util.arrayFromVolume(copy)
    assert (array[missing] == -1000).all()
    assert (array[marks.noDataArray(copy) == 0] == 40).all()


def test_unevenly_spaced_slices_come_to_lie_where_they_were_scanned(sspe: Any) -> None:
    from SSPESlicer.scene.straightening import straightenedCopy
    from SSPESlicer.selftest import addNode, body

    volume = body(LENGTH_MM, SPACING)
    count = len(volume.array)
    even = SPACING[2] * np.arange(count)
    heights = even + np.where(np.arange(count) >= 6, 2 * SPACING[2], 0.0)
    values = 100 * np.arange(count)
    array = np.broadcast_to(values[:, None, None].astype(np.int16), volume.array.shape)
    node = addNode(volume.like(array), "two slices are missing")
    acquisition_transform(node, (heights - even)[:, None] * np.array([0.0, 0, 1]))
    found = slicer.util.arrayFromVolume(straightenedCopy(node))[:, 40, 30]
    assert len(found) == count + 2
    np.testing.assert_allclose(found, np.interp(SPACING[2] * np.arange(len(found)), heights, values), atol=1)


def test_any_bending_puts_voxels_where_it_puts_points(sspe: Any) -> None:
    from SSPESlicer.scene import geometry
    from SSPESlicer.scene.straightening import straightenedCopy
    from SSPESlicer.selftest import addNode, body

    volume = body(LENGTH_MM, SPACING)
    z, y, x = (np.arange(count) for count in volume.array.shape)
    slope = (8 * z[:, None, None] + 3 * y[:, None] + 2 * x).astype(np.float32)
    node = addNode(volume.like(slope), "bent")
    turn = np.linspace(0, 2 * np.pi, len(z))
    acquisition_transform(node, np.stack([6 * np.sin(turn), 4 * np.cos(turn), 2 * np.sin(turn / 2)], axis=1))
    copy = straightenedCopy(node)
    array, toVoxels = slicer.util.arrayFromVolume(copy), np.linalg.inv(geometry.ijkToWorld(copy))
    for i, j, k in ((20, 30, 3), (40, 60, 6), (55, 80, 9)):
        world = [0.0, 0.0, 0.0]
        node.TransformPointToWorld((ijk_to_ras(node) @ [i, j, k, 1])[:3], world)
        place = (toVoxels @ [*world, 1.0])[:3]
        low = np.floor(place).astype(int)
        cell = array[tuple(slice(start, start + 2) for start in low[::-1])]
        weights = [np.array([1 - share, share]) for share in (place - low)[::-1]]
        assert np.einsum("kji,k,j,i", cell, *weights) == pytest.approx(slope[k, j, i], abs=1.0)


@pytest.mark.parametrize("module", ["SSPERegister", "SSPEExpand"])
def test_the_panel_offers_the_copy_uses_it_and_says_so(sspe: Any, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from SSPELib.volume import Provenance
    from SSPERegisterLib.selftest import knownMotion
    from SSPESlicer.scene import marks
    from SSPESlicer.scene.straightening import straightenedCopy
    from SSPESlicer.selftest import AnsweringProcess, addNode, body

    node, _expected, _missing = crooked_node("acquisition transform")
    other = addNode(body(LENGTH_MM, SPACING), "neck")
    panel = sspe.openModule(module)
    process = AnsweringProcess(transform=knownMotion())
    panel.logic = type(panel.logic)(lambda: process)
    names = ("fixedSelector", "movingSelector") if module == "SSPERegister" else ("upperSelector", "lowerSelector")
    selectors = [getattr(panel.ui, name) for name in names]
    selectors[0].setCurrentNode(other)
    selectors[1].setCurrentNode(None)
    assert panel.ui.straightenButton.isHidden()
    selectors[1].setCurrentNode(node)
    assert not panel.ui.straightenButton.isHidden()
    assert not panel.ui.applyButton.enabled
    assert "Use a straightened copy" in panel.ui.statusLabel.text
    sspe.screenshot(f"crooked-{module}")
    said = []
    monkeypatch.setattr(
        "SSPESlicer.panel.job_panel.straightenedCopy",
        lambda *arguments: (said.append(panel.ui.straightenButton.text), straightenedCopy(*arguments))[1],
    )
    panel.ui.straightenButton.click()
    assert said == ["Straightening…"]
    assert (panel.ui.straightenButton.text, panel.ui.straightenButton.enabled) == ("Use a straightened copy", True)
    copy = selectors[1].currentNode()
    assert copy.GetName() == "tilted head straightened"
    assert panel.ui.straightenButton.isHidden()
    for words in (
        "was resampled at right angles",
        "acquisition transform bends or shears",
        "% of it is marked as no data",
    ):
        assert words in panel.ui.planLabel.text
    sspe.screenshot(f"straightened-{module}")
    assert panel.ui.applyButton.enabled, panel.ui.statusLabel.text
    panel.ui.applyButton.click()
    sspe.waitUntil(lambda: not panel.controls.isRunning, 20.0, "the end")
    padding = marks.noDataArray(copy) > 0
    if module == "SSPERegister":
        np.testing.assert_array_equal(process.volumes["moving"].where(Provenance.NO_DATA), padding)
    else:
        grown = panel.ui.lowerOutputSelector.currentNode()
        assert (marks.noDataArray(grown) > 0).sum() == padding.sum()
    slicer.mrmlScene.RemoveNode(copy)
    marking = [node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode")]
    assert "tilted head straightened padding" not in marking


def test_a_straight_volume_needs_no_copy(sspe: Any) -> None:
    from SSPESlicer.scene.straightening import assumptionOn, isStraight
    from SSPESlicer.selftest import addNode, body

    turned = np.array([[0.0, -1, 0, 10], [1, 0, 0, -30], [0, 0, 1, 200], [0, 0, 0, 1]])
    node = addNode(body(LENGTH_MM, SPACING), "on a table", turned)
    assert isStraight(node)
    assert assumptionOn(node) is None
