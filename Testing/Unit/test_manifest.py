"""The manifest of a batch: what a row asks for, and which rows and files are no good."""

from __future__ import annotations

from pathlib import Path

import pytest
from phantoms import torso, write

from SSPECohort.headers import voxels_in
from SSPECohort.manifest import Manifest, read_manifest
from SSPECohort.plan import Need, Plan, make_plan, seconds_left
from SSPECohort.record import Record
from SSPECohort.row import Row
from SSPELib.errors import InputError
from SSPELib.options import MergeOptions, ReadOptions, RegisterOptions


def read(folder: Path, text: str, encoding: str = "utf-8") -> Manifest:
    file = folder / "manifest.csv"
    file.write_text(text, encoding=encoding)
    return read_manifest(file)


def test_a_row_is_a_pair_or_a_volume_with_options_of_the_right_types(tmp_path):
    manifest = read(
        tmp_path,
        "name,fixed,moving,volume,parts,distance_mm,expand,start,direction,seam_mm\n"
        "pair,a.nii,/data/b.nii,,,96,no,unknown,,\n"
        ",,,c.nii,,,,,both,\n"
        ",,,,a.nii; b.nii;c.nii,,,unknown,,5\n"
        ",,,,,,,,,\n",
        encoding="utf-8-sig",
    )
    assert manifest.bad == ()
    pair, volume, body = manifest.rows
    assert pair.inputs == {"fixed": [str(tmp_path / "a.nii")], "moving": ["/data/b.nii"]}
    assert (pair.kind, pair.options) == ("register", {"distance_mm": 96.0, "expand": False, "start": "unknown"})
    assert volume == Row("row-0002", "expand", {"volume": [str(tmp_path / "c.nii")]}, {"direction": "both"})
    assert body.inputs == {"parts": [str(tmp_path / name) for name in ("a.nii", "b.nii", "c.nii")]}
    assert (body.chosen(RegisterOptions).start, body.chosen(MergeOptions).seam_mm) == ("unknown", 5.0)


def test_each_volume_is_read_in_its_own_way(tmp_path):
    manifest = read(
        tmp_path,
        "fixed,moving,parts,volume,series,assume_lps\n"
        "a,a,,,3;7,\n"
        "a,b,,,1.2.840.1,yes\n"
        ",,a;b;c,,4; ;6,\n"
        ",,,d,,\n"
        "a,a,,,3,\n"
        ",,a;b;c,,4;5,\n",
    )
    assert [row.reading for row in manifest.rows] == [
        [ReadOptions(series="3"), ReadOptions(series="7")],
        [ReadOptions(series="1.2.840.1", assume_lps=True)] * 2,
        [ReadOptions(series="4"), ReadOptions(), ReadOptions(series="6")],
        [ReadOptions()],
    ]
    same, few = manifest.bad
    assert "twice" in same.reason
    assert "2 series for 3 volumes" in few.reason


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ("x,a.nii,,,,", "names fixed; a row names fixed and moving or volume or parts"),
        ("x,,,,,", "names no volume"),
        ("x,a.nii,b.nii,c.nii,,", "names fixed and moving and volume"),
        ("x,a.nii,a.nii,,,", "twice; choose different volumes"),
        ("x,a.nii,b.nii,,far,", "'far', which is no number"),
        ("x,a.nii,b.nii,,5000,", "it must be 4 to 400 mm"),
        ("x,a.nii,b.nii,,,maybe", "must be true or false"),
        ("x,,,c.nii,,yes", "The option 'expand' is not one of expand"),
        ("../x,a.nii,b.nii,,,", "cannot be that of a folder"),
        ("GOOD,a.nii,b.nii,,,", "is taken by a row above"),
        ("x,a.nii,b.nii,,,,more", "more cells than there are columns"),
    ],
)
def test_a_bad_row_is_set_apart_with_its_reason(tmp_path, cells, reason):
    head = "name,fixed,moving,volume,distance_mm,expand\n"
    manifest = read(tmp_path, f"{head}good,a.nii,b.nii,,,\n{cells}\n")
    assert [row.name for row in manifest.rows] == ["good"]
    [bad] = manifest.bad
    assert reason in bad.reason
    assert bad.name in ("x", "row 2")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("fixed,moving,distance\na,b,1\n", "unknown column 'distance'; known are name, fixed, moving, volume"),
        ("fixed,fixed\na,b\n", "'fixed' twice"),
        ("fixed,moving\n", "no rows"),
        ("", "no rows"),
        ('fixed,moving\n"a,b\n', "no CSV file"),
    ],
)
def test_a_manifest_that_is_no_good_at_all(tmp_path, text, reason):
    with pytest.raises(InputError, match=reason):
        read(tmp_path, text)
    with pytest.raises(InputError, match="cannot be read"):
        read_manifest(tmp_path / "missing.csv")


def test_headers_tell_the_size_and_missing_files_are_bad_rows(tmp_path):
    write(torso(size=(20, 21, 22), spacing=(12, 12, 8)), tmp_path / "a.nii.gz")
    (tmp_path / "text.nii").write_text("none")
    (tmp_path / "empty").mkdir()
    assert voxels_in(tmp_path / "a.nii.gz") == 20 * 21 * 22
    plan = make_plan(read(tmp_path, "name,volume\na,a.nii.gz\nb,b.nii.gz\nc,text.nii\nd,empty\n"))
    assert list(plan.rows) == ["a"]
    assert [bad.name for bad in plan.bad] == ["b", "c", "d"]
    assert "does not exist" in plan.bad[0].reason
    assert all("holds no image" in bad.reason for bad in plan.bad[1:])
    assert plan.memory_mib == plan.needs["a"].memory_mib > 500


def test_the_time_that_is_left_follows_that_of_finished_rows():
    names = [f"row-{number}" for number in range(10)]
    plan = Plan({}, {name: Need(1000.0, 20.0) for name in names}, ())
    assert seconds_left(plan, names, [], 2) == pytest.approx(100.0)
    done = [Record("row-0", "done", None, seconds=5.0), Record("row-1", "done", None, seconds=5.0)]
    assert seconds_left(plan, names[2:], done, 2) == pytest.approx(20.0)
    assert seconds_left(plan, names[9:], done, 8) == pytest.approx(5.0)
