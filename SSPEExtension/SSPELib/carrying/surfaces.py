"""Surface meshes (.vtp, .stl), by VTK where it is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
STL_HEADER_BYTES = 256


def carry_surface(path: Path, output: Path, to_reference: NDArray[np.float64]) -> None:
    """Carry a mesh with its normals and scalars; it stays in the coordinate system that its file names (else LPS).

    Args:
        path: .vtp or .stl, as Slicer writes them.
        output: place to write, of the same suffix.
        to_reference: (4, 4), input points to reference points, LPS mm.

    Raises:
        InputError: damaged, or without points.
    """
    from vtkmodules.vtkCommonMath import vtkMatrix4x4
    from vtkmodules.vtkCommonTransforms import vtkMatrixToLinearTransform
    from vtkmodules.vtkFiltersGeneral import vtkTransformPolyDataFilter
    from vtkmodules.vtkIOGeometry import vtkSTLReader, vtkSTLWriter
    from vtkmodules.vtkIOXML import vtkXMLPolyDataReader, vtkXMLPolyDataWriter

    flat = path.suffix.lower() == ".stl"
    reader: Any = vtkSTLReader() if flat else vtkXMLPolyDataReader()
    reader.SetFileName(str(path))
    reader.GlobalWarningDisplayOff()
    reader.Update()
    mesh = reader.GetOutput()
    if mesh is None or mesh.GetNumberOfPoints() == 0:
        raise InputError(f"{path} holds no surface, or is damaged; save the model again.")
    ras = _is_ras(path, mesh, flat)
    matrix = RAS_FROM_LPS @ to_reference @ RAS_FROM_LPS if ras else to_reference
    elements = vtkMatrix4x4()
    elements.DeepCopy(matrix.ravel().tolist())
    linear = vtkMatrixToLinearTransform()
    linear.SetInput(elements)
    carried = vtkTransformPolyDataFilter()
    carried.SetInputData(mesh)
    carried.SetTransform(linear)
    carried.Update()
    writer: Any = vtkSTLWriter() if flat else vtkXMLPolyDataWriter()
    if flat:
        writer.SetFileTypeToBinary()
        writer.SetHeader(f"SSPE. SPACE={'RAS' if ras else 'LPS'}")
    writer.SetFileName(str(output))
    writer.SetInputData(carried.GetOutput())
    if not writer.Write():
        raise InputError(f"{output.name} cannot be written; check that the disk is not full.")


def _is_ras(path: Path, mesh: Any, flat: bool) -> bool:
    """Whether a file says that it is in RAS, as Slicer marks it: in the head of an STL, in the field data of a VTP."""
    if flat:
        with path.open("rb") as stream:
            return b"SPACE=RAS" in stream.read(STL_HEADER_BYTES)
    space = mesh.GetFieldData().GetAbstractArray("SPACE")
    return space is not None and space.GetNumberOfValues() > 0 and str(space.GetValue(0)) == "RAS"
