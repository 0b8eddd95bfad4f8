"""`sspe inspect` lists every series of a folder with its figures, and says which are fit for use and why not."""

from __future__ import annotations

import json
from pathlib import Path

from command_line import Run
from dicom_series import VOLUME, write_series
from phantoms import write


def test_every_series_of_a_folder_is_listed(tmp_path: Path, run: Run) -> None:
    write_series(tmp_path / "study" / "a", series="A")
    write_series(tmp_path / "study" / "b", series="B", SeriesNumber=4, Modality="MR", prefix="b")
    write_series(tmp_path / "study" / "c", series="C", SeriesNumber=5, prefix="c")[9].unlink()
    done = run("inspect", tmp_path / "study", "--json")
    assert done.code == 0
    good, other, lacking = json.loads(done.out)
    assert good["name"] == 'series 3 "CHEST A"'
    assert good["slices"] == VOLUME.size[2]
    assert good["spacing_mm"] == list(VOLUME.spacing)
    assert good["length_mm"] == VOLUME.size[2] * VOLUME.spacing[2]
    assert good["orientation"] == "left, posterior, superior"
    assert (good["lowest_hu"], good["highest_hu"]) == (VOLUME.array.min(), VOLUME.array.max())
    assert (good["fit"], other["fit"], lacking["fit"]) == (True, False, True)
    assert "modality MR" in other["remarks"][0]
    assert "1 DICOM slice is missing" in lacking["remarks"][0]


def test_a_person_reads_figures_and_reasons(tmp_path: Path, run: Run) -> None:
    path = write(VOLUME, tmp_path / "ct.nii.gz")
    done = run("inspect", path)
    assert "ct.nii.gz: 24 slices, 144.0 mm, 14 x 13 x 6 mm" in done.out
    assert "fit for use" in done.out
    labels = write(VOLUME.like((VOLUME.array > 0).astype("int16")), tmp_path / "labels.nii.gz")
    assert "label map" in run("inspect", labels).out


def test_nothing_to_inspect_is_an_error(tmp_path: Path, run: Run) -> None:
    assert run("inspect", tmp_path).code == 2
    assert "does not exist" in run("inspect", tmp_path / "nowhere").err
