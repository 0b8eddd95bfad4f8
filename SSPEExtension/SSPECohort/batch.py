"""A batch: rows go to the workers and come back as records, until none is left, whatever dies meanwhile."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

from distributed import CancelledError, Client, Future, KilledWorker
from distributed.comm import CommClosedError

from SSPELib.errors import InputError
from SSPELib.progress import Progress, silent

from .cluster import Workers, biggest_host, opened
from .plan import Plan, described_seconds
from .record import Record, failed
from .results import write_results
from .store import Store
from .work import do_row
from .worker import Work, settle, unforeseen

# Of a row whose error may pass, as a disk that is full or does not answer.
RETRIES = 2
LOOK_EVERY_SECONDS = 0.2
WRITE_EVERY_SECONDS = 60.0
RETURN_WITHIN_SECONDS = 60.0
RESULT_SECONDS = 10.0

Announce = Callable[[str], None]


class SchedulerLost(Exception):
    """The scheduler died; what was not done yet goes to the next one."""


def run_batch(
    plan: Plan,
    store: Store,
    workers: Workers,
    *,
    work: Work = do_row,
    progress: Progress = silent,
    announce: Announce = lambda sentence: None,
) -> list[Record]:
    """Do all rows of a plan that are not done yet, and write the table and the overview.

    Args:
        plan: the rows.
        store: where results go; rows that are done there are passed over.
        workers: who works.
        work: what is done with a row, a function that the workers can import.
        progress: told of every row that is done; may raise `Cancelled`.
        announce: told where the dashboard is, and what goes wrong beyond a single row.

    Returns:
        A record a row, bad rows included.

    Raises:
        InputError: the folder or the scheduler cannot be used, or the scheduler has gone for good.
        DeviceError: no GPU where GPUs are wanted.
    """
    workers.check()
    with store.opened():
        batch = _Batch(plan, store, work, progress)
        try:
            _work_off(batch, workers, announce)
        finally:
            # Workers of this computer have ended by now; those of a scheduler may be at a row when we are interrupted.
            if workers.scheduler is None or not batch.left:
                store.clear()
            batch.write()
        return batch.all_records


def _work_off(batch: _Batch, workers: Workers, announce: Announce) -> None:
    """Connect as often as it takes: for all rows, then alone for those whose workers died, anew where all was lost."""
    lost_at: float | None = None
    while batch.left:
        alone, before = batch.left <= batch.killed, len(batch.left)
        try:
            with opened(workers.alone if alone else workers, batch.plan.memory_mib) as client:
                announce(f"Dask's dashboard: {client.dashboard_link}")
                batch.work_off(client, workers.resources, alone)
        except (SchedulerLost, CommClosedError, InputError) as error:
            if lost_at is None and isinstance(error, InputError):
                raise
            if lost_at is None or len(batch.left) < before:
                lost_at = time.monotonic()
                announce("The scheduler does not answer any more; waiting for it to come back.")
            if time.monotonic() - lost_at > RETURN_WITHIN_SECONDS:
                raise InputError(
                    f"The scheduler has gone; {len(batch.left)} rows are left. Run the same command again once it is "
                    "there: what is done stays done."
                ) from error
            time.sleep(LOOK_EVERY_SECONDS)


class _Batch:
    """What is known of all rows while they are worked on."""

    def __init__(self, plan: Plan, store: Store, work: Work, progress: Progress) -> None:
        self.plan = plan
        self.left = set(plan.rows)
        self.killed: set[str] = set()
        self._store, self._work, self._progress = store, work, progress
        self._records = {bad.name: Record(bad.name, "failed", None, reason=bad.reason) for bad in plan.bad}
        self._started = self._written = time.monotonic()
        for done in map(store.found, plan.rows.values()):
            if done is not None:
                self._settle(done)
        self._seconds_at_start = self._seconds_left

    @property
    def all_records(self) -> list[Record]:
        """The records so far, in the order of the manifest, bad rows last."""
        order = {name: number for number, name in enumerate(self.plan.rows)}
        return sorted(self._records.values(), key=lambda record: order.get(record.name, len(order)))

    def work_off(self, client: Client, resources: dict[str, float], alone: bool) -> None:
        """Have the rows done that are left; those whose workers died stay left, for a try alone.

        Raises:
            SchedulerLost: rows are left that nobody works on any more.
        """
        names = sorted(self.left if alone else self.left - self.killed, key=self._seconds, reverse=True)
        futures = {self._submit(client, name, resources, alone): name for name in names}
        while futures:
            # What is lost died with a worker, and is done anew by another one.
            settled = [future for future in futures if future.status not in ("pending", "lost")]
            for future in settled:
                if self._take(futures[future], future, alone):
                    del futures[future]
            self._report()
            time.sleep(LOOK_EVERY_SECONDS)

    def write(self) -> None:
        """Write the table and the overview as far as they are known."""
        write_results(self.all_records, len(self.left), self._store)
        self._written = time.monotonic()

    def _submit(self, client: Client, name: str, resources: dict[str, float], alone: bool) -> Future:
        # A key of its own, for a scheduler may still know a row from a client that died.
        return client.submit(
            settle,
            self.plan.rows[name],
            str(self._store.folder.absolute()),
            self._work,
            key=f"sspe-{name}-{uuid.uuid4().hex}",
            retries=RETRIES,
            resources=resources,
            workers=[biggest_host(client)] if alone else None,
        )

    def _take(self, name: str, future: Future, alone: bool) -> bool:
        """Take what a future brings; false where it goes on, as its worker died with the result."""
        row = self.plan.rows[name]
        if future.status == "error":
            error = future.exception(timeout=RESULT_SECONDS)
            if not isinstance(error, KilledWorker):
                self._settle(failed(row, unforeseen(error)))
            elif alone:
                self._settle(failed(row, _died(error)))
            else:
                self.killed.add(name)
            return True
        if future.status != "finished":
            raise SchedulerLost
        try:
            self._settle(future.result(timeout=RESULT_SECONDS))
        except TimeoutError:
            return False
        except (CancelledError, OSError) as error:
            raise SchedulerLost from error
        return True

    def _settle(self, record: Record) -> None:
        self._records[record.name] = record
        self.left.discard(record.name)

    def _report(self) -> None:
        done = self._seconds_at_start - self._seconds_left
        elapsed = time.monotonic() - self._started
        left = f", {described_seconds(elapsed * self._seconds_left / done)} left" if done > 0 else ""
        failures = sum(record.status == "failed" for record in self._records.values())
        total = len(self._records) + len(self.left)
        share = len(self._records) / max(1, total)
        self._progress(share, f"{len(self._records)} of {total} rows, {failures} failed{left}")
        if time.monotonic() - self._written > WRITE_EVERY_SECONDS:
            self.write()

    @property
    def _seconds_left(self) -> float:
        return sum(map(self._seconds, self.left))

    def _seconds(self, name: str) -> float:
        return self.plan.needs[name].seconds


def _died(error: KilledWorker) -> str:
    limit = getattr(error.last_worker, "memory_limit", 0)
    had = f" (it had {limit / 2**30:.1f} GiB)" if limit else ""
    return (
        f"Its worker died again and again{had}, most likely for lack of memory; have the row done where there is more, "
        "or resample its volumes."
    )
