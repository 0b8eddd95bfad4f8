"""Work on all cores at once gives what it gives one after the other, and ends at once when it is cancelled."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import torch

from SSPELib.errors import Cancelled
from SSPELib.progress import Progress, silent
from SSPELib.side_by_side import side_by_side


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    """Two threads for torch, as on the computers of users."""
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


def test_results_come_in_the_order_of_the_items_and_threads_are_given_back():
    def work(item: int, tick: Progress) -> tuple[int, int]:
        time.sleep(0.02 * (item % 3))
        return item, torch.get_num_threads()

    told: list[float] = []
    found = side_by_side(work, range(9), lambda fraction, message: told.append(fraction), "working")
    assert [item for item, _ in found] == list(range(9))
    assert {threads for _, threads in found} == {1}
    assert torch.get_num_threads() == 2
    assert told == sorted(told)
    assert told[0] == 0.0


def test_progress_is_the_mean_share_of_all_items():
    shown = threading.Event()

    def work(item: int, tick: Progress) -> None:
        tick(0.5, "half of it")
        assert shown.wait(10)

    def follow(fraction: float, message: str) -> None:
        assert message == "working"
        if fraction == 0.5:
            shown.set()

    side_by_side(work, range(2), follow, "working")
    assert shown.is_set()


def test_two_items_are_worked_on_at_once():
    meeting = threading.Barrier(2, timeout=10)
    assert side_by_side(lambda item, tick: meeting.wait() >= 0, range(2), silent, "meeting") == [True, True]


def test_a_cancel_ends_what_has_begun_and_begins_nothing_more():
    begun = []

    def work(item: int, tick: Progress) -> None:
        begun.append(item)
        while True:
            tick(0.0, "")
            time.sleep(0.01)

    def stop(fraction: float, message: str) -> None:
        if begun:
            raise Cancelled

    started = time.monotonic()
    with pytest.raises(Cancelled):
        side_by_side(work, range(50), stop, "working")
    assert time.monotonic() - started < 2
    assert len(begun) <= 4
    assert torch.get_num_threads() == 2


def test_what_fails_is_raised_here():
    def work(item: int, tick: Progress) -> float:
        return 1 / item

    with pytest.raises(ZeroDivisionError):
        side_by_side(work, [1, 0], silent, "dividing")
