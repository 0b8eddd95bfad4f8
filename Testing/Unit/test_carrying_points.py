"""Points are carried from the moving scan to the fixed one through the inverse, whatever file they stand in."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from geometries import TURN, rotation
from hypothesis import given, settings
from hypothesis import strategies as st

from SSPELib.carrying.points import point_map
from SSPELib.errors import InputError
from SSPELib.io.points import read_points
from SSPELib.poses import matrix_of


@settings(max_examples=20)
@given(
    points=st.lists(st.tuples(*[st.floats(-400, 400)] * 3), min_size=1, max_size=6),
    degrees=st.tuples(*[st.floats(-180, 180)] * 3),
    shift=st.tuples(*[st.floats(-200, 200)] * 3),
    system=st.sampled_from(["LPS", "RAS"]),
)
def test_points_go_through_the_inverse(tmp_path_factory, points, degrees, shift, system) -> None:
    folder = tmp_path_factory.mktemp("points")
    transform = sitk.AffineTransform((rotation(degrees) * [1.1, 1.0, 0.9]).ravel().tolist(), shift)
    signs = np.array([1.0, 1, 1] if system == "LPS" else [-1.0, -1, 1])
    file = folder / "list.mrk.json"
    control = [{"id": str(k), "position": list(np.array(p) * signs)} for k, p in enumerate(points)]
    file.write_text(
        json.dumps({"markups": [{"type": "Fiducial", "coordinateSystem": system, "controlPoints": control}]})
    )
    found = json.loads(read_points(file).carried(point_map(transform)))["markups"][0]["controlPoints"]
    table = folder / "list.fcsv"
    rows = [
        f"{k},{','.join(repr(float(v)) for v in np.array(p) * signs)},0,0,0,1,1,1,0,F-{k},,"
        for k, p in enumerate(points)
    ]
    table.write_text(f"# Markups fiducial file version = 4.11\n# CoordinateSystem = {system}\n" + "\n".join(rows))
    lines = [line for line in read_points(table).carried(point_map(transform)).splitlines() if not line.startswith("#")]
    np.testing.assert_allclose(read_points(file).positions, points, atol=1e-6)
    np.testing.assert_allclose(read_points(table).positions, points, atol=1e-6)
    for point, one, line in zip(points, found, lines, strict=True):
        back = transform.TransformPoint((np.array(one["position"]) * signs).tolist())
        np.testing.assert_allclose(back, point, atol=1e-6)
        np.testing.assert_allclose(
            transform.TransformPoint((np.array(line.split(",")[1:4], float) * signs).tolist()), point, atol=1e-5
        )
        assert line.endswith(f"F-{one['id']},,")


def test_axes_of_points_turn_with_them(tmp_path: Path) -> None:
    file = tmp_path / "axes.mrk.json"
    point = {"position": [1.0, 2, 3], "orientation": [-1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0], "label": "kept"}
    file.write_text(json.dumps({"markups": [{"type": "Line", "coordinateSystem": "LPS", "controlPoints": [point]}]}))
    found = json.loads(read_points(file).carried(point_map(TURN)))["markups"][0]["controlPoints"][0]
    expected = np.linalg.inv(matrix_of(TURN)[:3, :3]) @ np.diag([-1.0, -1, 1])
    np.testing.assert_allclose(np.array(found["orientation"]).reshape(3, 3), expected, atol=1e-9)
    assert found["label"] == "kept"


@pytest.mark.parametrize(
    "content", ["", "{}", '{"markups": []}', '{"markups": [{"type": "ROI", "controlPoints": [{}]}]}']
)
def test_markups_that_are_no_points_are_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "bad.mrk.json"
    file.write_text(content)
    with pytest.raises(InputError, match="points"):
        read_points(file).carried(point_map(TURN))
