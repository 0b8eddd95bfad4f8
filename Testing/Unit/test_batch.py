"""A batch: results and table, bad rows, what is done again and what not, the command line."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet
import pytest
import SimpleITK as sitk
from distributed import LocalCluster
from kill_trial import faults_of, write_manifest
from known_registration import known_registration
from phantoms import torso, write
from stand_ins import deadly, instant, journal, passing, quick

from SSPECohort.batch import run_batch
from SSPECohort.cluster import Workers, opened
from SSPECohort.manifest import read_manifest
from SSPECohort.plan import make_plan, workers_that_fit
from SSPECohort.record import COLUMNS, Outcome, Record
from SSPECohort.results import doubtful_first
from SSPECohort.row import Row
from SSPECohort.store import Store
from SSPECohort.worker import Work
from SSPELib import tasks
from SSPELib.errors import Cancelled, InputError
from SSPELib.io import read_volume
from SSPELib.options import RegisterOptions
from SSPELib.tasks import Registered
from SSPELib.volume import Volume, slices


@pytest.fixture(scope="module")
def scheduler() -> Iterator[Workers]:
    """A scheduler that runs already, with one worker, both in this process."""
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster:
        yield Workers(scheduler=cluster.scheduler_address)


def run_rows(manifest: Path, output: Path, workers: Workers, work: Work) -> dict[str, Record]:
    plan = make_plan(read_manifest(manifest))
    return {record.name: record for record in run_batch(plan, Store(output), workers, work=work)}


def test_all_rows_come_to_a_result_in_table_and_overview(tmp_path, scheduler):
    manifest, output = write_manifest(tmp_path, 8, bad=2), tmp_path / "results"
    with manifest.open("a") as file:
        file.write("lost,missing.nii,moving.nii\n")
    records = run_rows(manifest, output, scheduler, quick)
    assert sum(record.status == "done" for record in records.values()) == 6
    assert records["bad-0"].reason == "No transform could be found."
    assert "does not exist" in records["lost"].reason
    table = pyarrow.parquet.read_table(output / "results.parquet")
    assert table.column_names == list(COLUMNS)
    assert table.column("name").to_pylist() == list(records)
    assert pyarrow.csv.read_csv(output / "results.csv").num_rows == 9
    page = (output / "index.html").read_text()
    order = [page.index(f">{record.name}<") for record in sorted(records.values(), key=doubtful_first)]
    assert order == sorted(order)
    assert page.index("lost") < page.index("row-0000")
    assert faults_of(manifest, output) == ["lost is missing"]


def test_what_is_done_is_passed_over_and_what_failed_is_tried_again(tmp_path, scheduler):
    manifest, output = write_manifest(tmp_path, 4, bad=1), tmp_path / "results"
    run_rows(manifest, output, scheduler, quick)
    before = journal(output)
    records = run_rows(manifest, output, scheduler, quick)
    assert journal(output)[len(before) :] == [("begun", "bad-0")]
    assert records["row-0000"].outcome.expected_error_mm is not None


def test_a_name_with_results_of_other_options_fails_and_keeps_them(tmp_path, scheduler):
    manifest, output = write_manifest(tmp_path, 2), tmp_path / "results"
    run_rows(manifest, output, scheduler, instant)
    manifest.write_text("name,fixed,moving,distance_mm\nrow-0000,fixed.nii,moving.nii,96\n")
    kept = (output / "rows" / "row-0000" / "result.json").read_text()
    records = run_rows(manifest, output, scheduler, instant)
    assert "results of other inputs or options" in records["row-0000"].reason
    assert (output / "rows" / "row-0000" / "result.json").read_text() == kept


def test_an_error_that_may_pass_gets_another_try(tmp_path, scheduler):
    records = run_rows(write_manifest(tmp_path, 2), tmp_path / "results", scheduler, passing)
    assert [record.status for record in records.values()] == ["done", "done"]
    assert not list((tmp_path / "results" / ".sspe-batch").glob("row*"))


def test_no_two_clients_at_one_folder_and_cancelling_leaves_what_is_done(tmp_path, scheduler):
    manifest, output = write_manifest(tmp_path, 30), tmp_path / "results"
    plan, store = make_plan(read_manifest(manifest)), Store(output)
    with store.opened(), pytest.raises(InputError, match="Another sspe batch"):
        run_batch(plan, store, scheduler, work=instant)

    def cancel(fraction: float, _: str) -> None:
        if fraction > 0.1:
            raise Cancelled

    with pytest.raises(Cancelled):
        run_batch(plan, store, scheduler, work=quick, progress=cancel)
    assert 0 < pyarrow.csv.read_csv(output / "results.csv").num_rows < 30
    assert len(run_batch(plan, store, scheduler, work=quick)) == 30
    assert faults_of(manifest, output) == []


def test_no_scheduler_and_workers_that_contradict_each_other(tmp_path, monkeypatch):
    monkeypatch.setattr("SSPECohort.cluster.CONNECT_SECONDS", 1)
    manifest = write_manifest(tmp_path, 1)
    with pytest.raises(InputError, match="No Dask scheduler answers at tcp:"):
        run_rows(manifest, tmp_path / "results", Workers(scheduler="tcp://127.0.0.1:9"), instant)
    with pytest.raises(InputError, match="leave --workers out"):
        run_rows(manifest, tmp_path / "results", Workers(scheduler="tcp://127.0.0.1:9", count=2), instant)


def test_a_row_that_ends_its_worker_is_reported_and_stops_no_other(tmp_path):
    manifest = write_manifest(tmp_path, 3)
    manifest.write_text(manifest.read_text().replace("row-0001", "large"))
    records = run_rows(manifest, tmp_path / "results", Workers(count=1), deadly)
    assert "Its worker died again and again (it had" in records["large"].reason
    assert [records[name].status for name in ("row-0000", "row-0002")] == ["done", "done"]


def test_as_many_workers_as_the_memory_of_the_largest_row_allows(monkeypatch):
    monkeypatch.setattr("SSPECohort.plan.cores", lambda: 8)
    monkeypatch.setattr("SSPECohort.plan.memory_for_workers_mib", lambda: 10_000.0)
    assert [workers_that_fit(mib) for mib in (1000.0, 3000.0, 20_000.0)] == [8, 3, 1]


def test_every_worker_has_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    with opened(Workers(gpus=True), 1000.0) as client:
        client.wait_for_workers(2, timeout=60)
        seen = client.run(visible_gpus)
        taken = client.scheduler_info(n_workers=-1)["workers"].values()
    assert sorted(seen.values()) == ["0", "1"]
    assert [worker["resources"] for worker in taken] == [{"GPU": 1}] * 2


def visible_gpus() -> str:
    """What a worker is shown."""
    import os

    return os.environ["CUDA_VISIBLE_DEVICES"]


def test_records_survive_json():
    row = Row("a", "register", {"fixed": ["/f"], "moving": ["/m"]}, {"distance_mm": 64.0})
    record = Record("a", "done", row, Outcome(reliable=True, notes=("one",)), seconds=1.5)
    assert Record.from_json(record.to_json()) == record
    assert json.loads(record.to_json())["format"] == 1


def test_the_command_line_checks_registers_expands_and_stitches(tmp_path, tiny_bundle, run, monkeypatch, scheduler):
    def register(fixed: Volume, moving: Volume, options: RegisterOptions, *progress: object, **_: object) -> Registered:
        assert options.distance_mm == 16.0
        # Of the two, only stitching asks for progress.
        trust = {} if progress else {"reliable": False, "error_bound_mm": math.inf}
        return Registered(fixed, moving, known_registration(sitk.Euler3DTransform(), **trust), None, ("Odd.",))

    monkeypatch.setattr(tasks, "register", register)
    whole = torso(size=(30, 24, 48), spacing=(12, 12, 6))
    write(slices(whole, 20, 48), tmp_path / "upper.nii.gz")
    write(slices(whole, 0, 27), tmp_path / "lower.nii.gz")
    (tmp_path / "pairs.csv").write_text(
        "name,fixed,moving,volume,parts,distance_mm\n"
        "pair,upper.nii.gz,lower.nii.gz,,,16\n"
        "longer,,,upper.nii.gz,,16\n"
        "body,,,,lower.nii.gz;upper.nii.gz,16\n"
        "lost,,,missing.nii.gz,,\n"
    )
    output = tmp_path / "results"
    batch = ("batch", tmp_path / "pairs.csv", "--output", output, "--scheduler", scheduler.scheduler)
    checked = run(*batch, "--dry-run")
    assert checked.code == 1
    assert "3 rows can be done, 1 cannot, 0 are done already." in checked.out
    assert "missing.nii.gz does not exist" in checked.out
    assert not output.exists()
    done = run(*batch)
    assert done.code == 1
    assert "4 rows: 3 done" in done.out
    assert "lost: " in done.err
    names = {file.name for file in (output / "rows" / "pair").iterdir()}
    report = {"report.html", "report.json"}
    assert names == {*report, "result.json", "transform.tfm", "thumbnail.png"}
    names = {file.name for file in (output / "rows" / "longer").iterdir()}
    assert names == {"result.json", "expanded.nii.gz", "provenance.nii.gz", "thumbnail.png"}
    names = {file.name for file in (output / "rows" / "body").iterdir()}
    assert names == {*report, "result.json", "stitched.nii.gz", "sources.nii.gz", "thumbnail.png"}
    [pair, longer, body, _] = pyarrow.parquet.read_table(output / "results.parquet").to_pylist()
    assert (pair["reliable"], pair["notes"]) == (False, "a stand-in Odd.")
    assert (pair["expected_error_mm"], pair["error_bound_mm"]) == (1.25, None)
    assert longer["synthetic_mm"] == pytest.approx(18.0)
    assert (body["reliable"], body["error_bound_mm"]) == (True, 3.5)
    assert read_volume(output / "rows" / "body" / "stitched.nii.gz").size == whole.size
    assert longer["model"] == tiny_bundle.card.name
