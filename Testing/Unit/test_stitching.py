"""Several parts in any order become one volume; a stranger is named, a loop of pairs is adjusted together."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from command_line import Run
from geometries import rotation
from known_registration import known_registration
from phantoms import torso, write

from SSPELib import tasks
from SSPELib.errors import InputError
from SSPELib.options import MergeOptions, RegisterOptions
from SSPELib.poses import to_transform
from SSPELib.stitching import Link, Network, pairs_to_try
from SSPELib.stitching.joining import SEVERAL, SYNTHETIC
from SSPELib.volume import Provenance, Volume, slices
from SSPELib.volume.points import at_indices, indices_at

WHOLE = torso(size=(60, 48, 90), spacing=(6, 6, 4), noise_hu=0)
RANGES = [(30, 62), (54, 90), (0, 36)]


def pose(degrees: tuple[float, float, float], shift: tuple[float, float, float]) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation(degrees), shift
    return matrix


# From the body to each part; the first stays.
POSES = [np.eye(4), pose((4, -3, 6), (12, -8, 15)), pose((-5, 2, -4), (-20, 10, -30))]


def cut(index: int) -> Volume:
    part = slices(WHOLE, *RANGES[index])
    matrix = POSES[index]
    origin = matrix[:3, :3] @ part.origin + matrix[:3, 3]
    return replace(part, origin=tuple(origin), direction=matrix[:3, :3] @ part.direction, name=f"part {index + 1}")


def link(first: int, second: int, reliable: bool = True, error: np.ndarray | None = None) -> Link:
    matrix = (np.eye(4) if error is None else error) @ POSES[second] @ np.linalg.inv(POSES[first])
    return Link(first, second, matrix, reliable, 2.0 if reliable else 15.0, 30.0)


@pytest.fixture
def known_pairs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Registrations that give the true transform of neighbors, and call all others not reliable."""
    asked = []

    def register(fixed: Volume, moving: Volume, *_: object, **__: object) -> tasks.Registered:
        names = (fixed.name, moving.name)
        asked.append(names)
        numbers = [int(name[-1]) - 1 for name in names]
        near = "part" in names[0] and "part" in names[1] and sorted(numbers) in ([0, 1], [0, 2])
        matrix = link(*numbers).matrix if near else np.eye(4)
        known = known_registration(to_transform(matrix), reliable=near, error_bound_mm=3.0 if near else float("inf"))
        return tasks.Registered(fixed, moving, known, None, ())

    monkeypatch.setattr(tasks, "register", register)
    return asked


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_parts_in_any_order_become_the_uncut_volume(known_pairs, order: tuple[int, ...]) -> None:
    parts = [cut(index) for index in order]
    done = tasks.stitch(parts)
    root = order[0]
    assert [parts[index].name for index in done.network.downward(parts)] == ["part 2", "part 1", "part 3"]
    volume = done.joined.volume
    own = indices_at(volume, np.array([parts[0].origin]))[0]
    np.testing.assert_allclose(own, np.rint(own), atol=1e-6)
    # Where the uncut volume's voxels come to lie in the frame of the first part.
    there = at_indices(WHOLE, np.argwhere(np.ones((60, 48, 90)))[::97].astype(float))
    moved = there @ POSES[root][:3, :3].T + POSES[root][:3, 3]
    index = np.rint(indices_at(volume, moved)).astype(int)
    inside = ((index >= 0) & (index < volume.size)).all(axis=1)
    x, y, z = index[inside].T
    i, j, k = np.argwhere(np.ones((60, 48, 90)))[::97][inside].T
    found, expected = volume.array[z, y, x].astype(float), WHOLE.array[k, j, i]
    sources = done.joined.sources[z, y, x]
    assert inside.mean() > 0.8
    assert set(np.unique(sources)) == {1, 2, 3, SEVERAL}
    exact = 1 if root == 0 else 25
    assert np.abs(found - expected)[np.abs(expected) < 60].mean() < exact
    assert done.warnings == ()


def test_a_stranger_is_named_or_left_out(known_pairs) -> None:
    parts = [cut(0), cut(1), replace(cut(2), name="stranger 9"), cut(2)]
    with pytest.raises(InputError, match=r"stranger 9: fits to no other part.*--keep-going"):
        tasks.stitch(parts, RegisterOptions(start="unknown"))
    assert len(known_pairs) == 6
    done = tasks.stitch(parts, RegisterOptions(start="unknown"), keep_going=True)
    assert done.network.left_out == (2,)
    assert "stranger 9" in done.warnings[-1]
    assert 3 not in np.unique(done.joined.sources)


def test_a_gap_between_two_parts_stays_or_is_filled(known_pairs, tiny_bundle, monkeypatch) -> None:
    monkeypatch.setattr("test_stitching.RANGES", [(34, 62), (54, 90), (0, 26)])
    parts = [cut(index) for index in (2, 0, 1)]
    left = tasks.stitch(parts)
    assert any("gap of up to 32 mm between part 1 and part 3" in warning for warning in left.warnings)
    # Where the middle of the gap lies in the frame of the first part that was given.
    middle = at_indices(WHOLE, np.array([[30.0, 24, 29], [30, 24, 30]]))
    places = middle @ POSES[2][:3, :3].T + POSES[2][:3, 3]

    def values(done: tasks.Stitched, array: np.ndarray) -> list[int]:
        x, y, z = np.rint(indices_at(done.joined.volume, places)).astype(int).T
        return array[z, y, x].tolist()

    assert values(left, left.joined.sources) == [0, 0]
    options = MergeOptions(fill_gap=True, model=str(tiny_bundle.folder), device="cpu")
    filled = tasks.stitch(parts, merge_options=options)
    assert values(filled, filled.joined.sources) == [SYNTHETIC, SYNTHETIC]
    assert values(filled, filled.joined.volume.provenance) == [Provenance.SYNTHETIC] * 2
    own = filled.joined.sources == 1
    assert own.sum() == (left.joined.sources == 1).sum()
    assert not any("gap" in warning for warning in filled.warnings)


def test_an_expansion_is_made_once_for_all_pairs(tiny_bundle, monkeypatch) -> None:
    from SSPELib.expansion.expander import Expander

    made, expand = [], Expander.expand

    def counted(self, volume, direction, *others):
        made.append((volume.name, direction))
        return expand(self, volume, direction, *others)

    monkeypatch.setattr(Expander, "expand", counted)
    parts = [cut(index) for index in range(3)]
    options = RegisterOptions(start="unknown", distance_mm=16, model=str(tiny_bundle.folder), device="cpu")
    same = known_registration(sitk.AffineTransform(3))
    monkeypatch.setattr("SSPELib.registration.register.register", lambda *_, **__: same)
    tasks.stitch(parts, options, keep_going=True)
    assert sorted(made) == [(f"part {number}", "both") for number in (1, 2, 3)]


def test_a_part_that_headers_misplace_is_looked_for_anywhere(known_pairs, monkeypatch) -> None:
    known, starts = tasks.register, []

    def register(fixed: Volume, moving: Volume, options: RegisterOptions, *_: object, **__: object) -> tasks.Registered:
        starts.append((fixed.name, moving.name, options.start))
        found = known(fixed, moving)
        misplaced = "part 3" in (fixed.name, moving.name) and options.start == "header"
        return replace(found, registration=replace(found.registration, reliable=False)) if misplaced else found

    monkeypatch.setattr(tasks, "register", register)
    parts = [cut(2), cut(1), cut(0)]
    done = tasks.stitch(parts)
    assert done.network.left_out == ()
    assert [parts[index].name for index in done.network.downward(parts)] == ["part 2", "part 1", "part 3"]
    assert [one for one in starts if one[2] == "unknown"] == [
        ("part 2", "part 3", "unknown"),
        ("part 1", "part 3", "unknown"),
    ]
    assert len(done.links) == 3
    starts.clear()
    tasks.stitch(parts, RegisterOptions(start="unknown"))
    assert len(starts) == 3


def test_unreliable_pairs_join_only_where_that_is_accepted() -> None:
    parts = [cut(index) for index in range(3)]
    links = [link(0, 1), link(0, 2, reliable=False)]
    assert Network.of(parts, links, False).left_out == (2,)
    assert Network.of(parts, links, True).left_out == ()
    assert Network.of(parts, [replace(links[1], error_bound_mm=40.0)], True).left_out == (1, 2)


def test_a_loop_is_adjusted_together() -> None:
    parts = [cut(index) for index in range(3)]
    wrong = pose((0.4, -0.3, 0.5), (3, -3, 3))
    exact = [link(0, 1), link(1, 2), link(0, 2)]
    found = Network.of(parts, exact, False)
    assert found.disagreement_mm < 1e-6
    for index, expected in enumerate(POSES):
        np.testing.assert_allclose(found.poses[index], expected, atol=1e-6)
    bent = [link(0, 1), link(1, 2), link(0, 2, error=wrong)]
    tree = Network.of(parts, [bent[0], bent[2]], False)
    together = Network.of(parts, bent, False)

    def error_mm(poses: dict[int, np.ndarray]) -> float:
        points = at_indices(WHOLE, np.argwhere(np.ones((3, 3, 3))) * [29, 23, 44] * 1.0)
        return max(
            np.linalg.norm((points @ (poses[k] - POSES[k])[:3, :3].T) + (poses[k] - POSES[k])[:3, 3], axis=1).mean()
            for k in range(3)
        )

    assert 0.5 < together.disagreement_mm < 4
    assert error_mm(together.poses) < 0.8 * error_mm(tree.poses)
    np.testing.assert_allclose(together.poses[2][:3, :3].T @ together.poses[2][:3, :3], np.eye(3), atol=1e-9)


def test_errors_add_up_along_the_links() -> None:
    parts = [cut(index) for index in (1, 0, 2)]
    # Upper to middle to lower part: the lower one is off by what both links may be off, the first by a longer arm.
    links = [replace(link(1, 0), first=0, second=1), replace(link(0, 2), first=1, second=2)]
    found = Network.of(parts, links, False, tolerance_mm=5.0)
    assert found.errors[0] == (0, 0)
    assert found.errors[1][1] == pytest.approx(2.0)
    assert 2 * np.hypot(1, 2.5) < found.errors[2][1] < 2 * np.hypot(1, 4)
    assert (found.verdict.reliable, found.verdict.accepted_by) == (False, None)
    assert found.verdict.error_bound_mm == found.errors[2][1]
    assert Network.of(parts, links, False, tolerance_mm=10.0).verdict.reliable is True


def test_pairs_that_headers_put_far_apart_are_not_tried() -> None:
    parts = [torso(size=(12, 10, 20), spacing=(30, 30, 6), center=(0, 0, 150.0 * k)) for k in range(5)]
    assert len(pairs_to_try(parts, "unknown")) == 10
    tried = pairs_to_try(parts, "header")
    assert {(k, k + 1) for k in range(4)} <= set(tried)
    assert (0, 4) not in tried
    assert pairs_to_try(parts[:3], "header") == [(0, 1), (0, 2), (1, 2)]


@pytest.mark.parametrize("count", [1, 11])
def test_too_few_and_too_many_parts(count: int) -> None:
    with pytest.raises(InputError, match="2 to 10"):
        tasks.stitch([WHOLE] * count)


def test_nothing_joins(known_pairs) -> None:
    parts = [replace(cut(index), name=f"stranger {index}") for index in range(2)]
    with pytest.raises(InputError, match="No two"):
        tasks.stitch(parts, RegisterOptions(), MergeOptions())


def test_stitch_on_the_command_line(tmp_path: Path, run_without_model: Run, monkeypatch, known_pairs) -> None:
    files = [write(cut(index), tmp_path / f"p{index + 1}.nii.gz") for index in range(3)]
    known = tasks.register

    def by_file(*volumes: Volume, **_: object) -> tasks.Registered:
        return known(*(replace(volume, name=f"part {Path(volume.name).name[1]}") for volume in volumes[:2]))

    monkeypatch.setattr(tasks, "register", by_file)
    out, report = tmp_path / "whole.nii.gz", tmp_path / "whole.json"
    done = run_without_model("stitch", *files, out, "--report", report, "--provenance", tmp_path / "map.nii.gz")
    assert done.code == 0, done.err
    content = json.loads(report.read_text())
    assert content["from_head_to_feet"] == ["p2.nii.gz", "p1.nii.gz", "p3.nii.gz"]
    assert [pair["used"] for pair in content["pairs"]] == [True, True, False]
    assert content["verdict"]["reliable"] is True
    assert content["verdict"]["error_bound_mm"] == pytest.approx(3.0, abs=0.01)
    for index, name in enumerate(("p1", "p2", "p3")):
        found = content["matrix_fixed_to_part_lps"][str(tmp_path / f"{name}.nii.gz")]
        np.testing.assert_allclose(found, POSES[index], atol=1e-5)
    page = report.with_suffix(".html").read_text()
    assert page.count("data:image/png") == 3
    assert "part 2, part 1, part 3" in page
    assert "<td>p1.nii.gz, p2.nii.gz</td><td>Reliable</td>" in page
    assert sitk.ReadImage(str(out)).GetSize() == sitk.ReadImage(str(tmp_path / "map.nii.gz")).GetSize()
    assert run_without_model("stitch", files[0], out).code == 2
    wrong = run_without_model("stitch", *files, out, "--series", 1, "--series", 2)
    assert "--series was given 2 times; give it once, or once for each of p1.nii.gz, p2.nii.gz, p3.nii.gz" in wrong.err


def test_a_stranger_on_the_command_line_is_left_out_and_told(
    tmp_path: Path, run_without_model: Run, monkeypatch, known_pairs
) -> None:
    names = ["part 1", "part 2", "stranger 9", "part 3"]
    volumes = [cut(0), cut(1), torso(size=(40, 30, 30), spacing=(8, 8, 6)), cut(2)]
    files = [write(volume, tmp_path / f"p{number}.nii.gz") for number, volume in enumerate(volumes)]
    known = tasks.register

    def by_file(*given: Volume, **__: object) -> tasks.Registered:
        return known(*(replace(volume, name=names[int(Path(volume.name).name[1])]) for volume in given[:2]))

    monkeypatch.setattr(tasks, "register", by_file)
    out, report = tmp_path / "whole.nrrd", tmp_path / "whole.json"
    arguments = ["stitch", *files, out, "--start", "unknown", "--report", report, "--provenance", tmp_path / "map.nrrd"]
    told = run_without_model(*arguments)
    assert told.code == 2
    assert told.err.count("Error: ") == 1
    assert "p2.nii.gz: fits to no other part reliably and was left out" in told.err
    content = json.loads(report.read_text())
    assert content["left_out"] == [str(files[2])]
    assert content["from_head_to_feet"] == ["p1.nii.gz", "p0.nii.gz", "p3.nii.gz"]
    assert "p2.nii.gz fits to no other part and was left out." in report.with_suffix(".html").read_text()
    legend = sitk.ReadImage(str(tmp_path / "map.nrrd")).GetMetaData("SSPE_sources")
    assert legend == "0 no data, 1 p0.nii.gz, 2 p1.nii.gz, 4 p3.nii.gz, 11 several, 12 synthetic"
    assert run_without_model(*arguments, "--keep-going").code == 0
