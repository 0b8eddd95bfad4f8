"""Two persons: organs are measured where a transform brings them, and the whole volumes give a fair reference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from phantoms import torso, write

from SSPELib.cli.app import main
from SSPELib.errors import Cancelled, InputError
from SSPELib.poses import about, apply, to_transform
from SSPELib.volume import Volume, body_length_mm
from SSPELib.volume.overlap import overlap_along_axis_mm, upper_of
from SSPELib.volume.points import at_indices
from SSPEResearch.evaluation.registration.attempt import Attempt
from SSPEResearch.evaluation.registration.people import (
    DISTANCES,
    WHOLE,
    OrganRow,
    People,
    common_organs,
    distances,
    labels_of,
    markdown,
    run,
    surface_distance_mm,
)
from SSPEResearch.evaluation.registration.systems import Answer, Known
from SSPEResearch.evaluation.rows import read_rows

SCALE = 1.04
SHIFT = np.array([12.0, -8.0, 30.0])
# Where the phantom has organs of the labels 1, 3, 4, 6 and 2: centers and half axes in LPS mm.
ORGAN_SHAPES = {
    1: ((0, 62, 70), (17, 17, 20)),
    3: ((-65, -8, 0), (48, 62, 80)),
    4: ((65, -8, 0), (48, 62, 80)),
    6: ((-50, -15, -110), (70, 60, 55)),
    2: ((0, 62, 0), (17, 17, 120)),
}


def labelled(volume: Volume) -> Volume:
    """The label map of a phantom."""
    index = np.stack(np.meshgrid(*(np.arange(n) for n in volume.size), indexing="ij"), axis=-1).transpose(2, 1, 0, 3)
    lps = at_indices(volume, index.reshape(-1, 3).astype(np.float64)).reshape(index.shape)
    labels = np.zeros(volume.array.shape, dtype=np.uint8)
    for label, (center, half) in reversed(ORGAN_SHAPES.items()):
        labels[(((lps - center) / half) ** 2).sum(axis=-1) < 1] = label
    return volume.like(labels)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """One person, and another that is the first one, larger, elsewhere, with other noise; with label maps."""
    folder = tmp_path_factory.mktemp("people")
    paths = []
    for name, seed in (("a", 1), ("b", 2)):
        volume = torso(size=(56, 44, 64), spacing=(7.0, 7.0, 4.0), seed=seed)
        labels = labelled(volume)
        if name == "b":
            volume, labels = (
                replace(
                    v, spacing=tuple(SCALE * s for s in v.spacing), origin=tuple(SCALE * np.array(v.origin) + SHIFT)
                )
                for v in (volume, labels)
            )
        paths.append(write(volume, folder / f"{name}_ct.nii.gz"))
        write(labels, folder / f"{name}_labels.nii.gz")
    return paths


@pytest.fixture(scope="module")
def people(files):
    return People.read((files[0], files[1]))


@pytest.fixture(scope="module")
def true():
    """The affine from the first person to the second."""
    return about(SCALE * np.eye(3), np.zeros(3), SHIFT)


def test_the_whole_volumes_give_the_affine_between_two_persons(people, true):
    corners = np.array([[x, y, z] for x in (-100, 100) for y in (-60, 60) for z in (-110, 110)], dtype=float)
    assert np.linalg.norm(apply(people.whole, corners) - apply(true, corners), axis=1).max() < 4
    assert set(common_organs(*people.labels)) == {
        "brainstem",
        "spinal cord",
        "right parotid",
        "left parotid",
        "larynx",
    }


@pytest.mark.parametrize("overlap", [40.0, 0.0, -20.0])
def test_the_parts_overlap_as_wanted_and_lie_near_each_other(people, overlap):
    fixed, moving, motion = people.parts(overlap, "near", 3)
    assert overlap_along_axis_mm(fixed, moving, motion @ people.whole) == pytest.approx(overlap, abs=6)
    assert upper_of(fixed, moving, np.eye(4)) == "fixed"
    lengths = [body_length_mm(part) for part in (fixed, moving)]
    assert lengths == pytest.approx([128 + overlap / 2, SCALE * (128 + overlap / 2)], abs=16)
    center = np.zeros((1, 3))
    assert np.linalg.norm(apply(motion @ people.whole, center) - center) < 60


def test_distances_are_those_between_organs_where_a_transform_brings_them(people, true):
    motion = about(np.eye(3), np.zeros(3), np.array([5.0, 0.0, -7.0]))
    exact = distances(people, 3, motion, Answer(to_transform(motion @ true)))
    assert exact["centroid_to_own_mm"] == pytest.approx(0, abs=0.01)
    assert exact["surface_to_own_mm"] < 0.5
    # A transform that maps 20 mm too far brings the organ back from 20 mm too near.
    off = about(np.eye(3), np.zeros(3), np.array([0.0, 0.0, 20.0 * SCALE]))
    wrong = distances(people, 3, motion, Answer(to_transform(motion @ off @ true)))
    assert wrong["centroid_to_own_mm"] == pytest.approx(20, abs=0.1)
    assert 5 < wrong["surface_to_own_mm"] < 20
    whole = distances(people, 3, motion, Answer(to_transform(motion @ people.whole)))
    assert whole["centroid_to_whole_mm"] == whole["surface_to_whole_mm"] == 0
    assert np.isnan(list(distances(people, 3, motion, None).values())).all()


def test_surfaces_of_two_balls_are_as_far_apart_as_their_radii():
    index = np.stack(np.meshgrid(*[np.arange(60) - 30.0] * 3, indexing="ij"))
    balls = [sitk.GetImageFromArray((np.linalg.norm(index, axis=0) <= r).astype(np.uint8)) for r in (12, 20)]
    for ball in balls:
        ball.SetSpacing([0.5] * 3)
    assert surface_distance_mm(*balls) == pytest.approx(4.0, abs=0.3)
    assert surface_distance_mm(balls[0], balls[0]) == 0


class Mute:
    """A system that never answers."""

    name = "mute"

    def __init__(self) -> None:
        self.asked = 0

    def solve(self, fixed, moving, start):
        self.asked += 1
        raise RuntimeError("nothing found")


def test_a_run_has_a_row_per_organ_and_goes_on_where_it_ended(files, tmp_path):
    table, mute = tmp_path / "rows.csv", Mute()
    still = Known("still", sitk.Transform(3, sitk.sitkIdentity))

    def stop(fraction: float, message: str) -> None:
        if message.startswith("mute"):
            raise Cancelled

    with pytest.raises(Cancelled):
        run(files, [20.0], "near", [still, mute], table, stop)
    before = read_rows(table, OrganRow)
    assert [row.system for row in before] == [WHOLE] * 5 + ["still"] * 5
    rows = run(files, [20.0], "near", [still, mute], table)
    assert repr(rows[:10]) == repr(before)
    assert (len(rows), mute.asked) == (15, 1)
    assert run(files, [20.0], "near", [still, mute], table)[14].failure == "nothing found"
    assert mute.asked == 1
    whole = [row for row in rows if row.system == WHOLE]
    assert max(row.centroid_to_own_mm for row in whole) < 4
    assert {row.centroid_to_whole_mm for row in whole} == {0.0}
    assert max(row.centroid_to_own_mm for row in rows if row.system == "still") > 5
    text = markdown(rows)
    assert f"| 20 | near | {WHOLE} | larynx | 1 of 1 |" in text
    assert "| 20 | near | mute | larynx | 0 of 1 | " + " | ".join(["no result"] * 4) in text


def test_the_table_has_means_and_deviations_over_pairs():
    answered = Attempt(None, 9.0, "").columns()
    row = OrganRow("s", "a and b", 20.0, "near", "larynx", 4.0, 3.0, 2.0, 1.0, **answered)
    other = replace(row, patients="b and c", **dict.fromkeys(DISTANCES, 4.0))
    failed = replace(row, patients="c and d", **dict.fromkeys(DISTANCES, float("nan")))
    line = markdown([row, other, failed]).splitlines()[-1]
    assert line == "| 20 | near | s | larynx | 2 of 3 | 4.0 ± 0.0 | 3.5 ± 0.7 | 3.0 ± 1.4 | 2.5 ± 2.1 |"


def test_persons_without_labels_or_with_too_few_are_not_compared(files, tmp_path):
    bare = write(torso(), tmp_path / "bare_ct.nii.gz")
    with pytest.raises(InputError, match=r"bare_ct\.nii\.gz has no label map"):
        labels_of(bare)
    write(torso().like(np.ones((40, 40, 48), dtype=np.uint8)), tmp_path / "bare_labels.nii.gz")
    with pytest.raises(InputError, match="share 1 of brainstem"):
        People.read((files[0], bare))
    assert run([files[0], bare], [20.0], "near", [], tmp_path / "rows.csv") == []


def test_the_command_writes_rows_and_the_table(files, tmp_path, capsys):
    rows, table = tmp_path / "rows.csv", tmp_path / "table.md"
    command = ["benchmark", "people", *map(str, files), "--rows", str(rows), "--table", str(table)]
    assert main([*command, "--system", "brainsfit"]) == 0
    assert table.read_text(encoding="utf-8") in capsys.readouterr().out
    found = read_rows(rows, OrganRow)
    assert {row.system for row in found} == {WHOLE, "BRAINSFit settings"}
    assert (
        main(["benchmark", "people", str(files[0]), "--rows", str(tmp_path / "one.csv"), "--system", "brainsfit"]) == 2
    )
    assert "two or more" in capsys.readouterr().err
