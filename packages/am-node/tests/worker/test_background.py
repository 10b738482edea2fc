"""Workers do not interrupt whoever runs when they wake up."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from am_node._worker.background import in_background

pytestmark = pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="Linux only")


def _policies(given: int) -> tuple[int, int]:
    """That of a thread within and afterwards; it is no property of the process."""

    def run() -> tuple[int, int]:
        os.sched_setscheduler(0, given, os.sched_param(0))
        with in_background():
            within = os.sched_getscheduler(0)
        return within, os.sched_getscheduler(0)

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result()


def test_an_ordinary_thread_steps_back_for_a_while() -> None:
    assert _policies(os.SCHED_OTHER) == (os.SCHED_BATCH, os.SCHED_OTHER)


def test_a_policy_that_was_chosen_stays() -> None:
    assert _policies(os.SCHED_IDLE) == (os.SCHED_IDLE, os.SCHED_IDLE)


def test_where_it_is_forbidden_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbid(*args: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", forbid)
    with in_background():
        assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_where_there_is_nothing_of_the_kind_nothing_happens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(os, "SCHED_BATCH")
    with in_background():
        assert os.sched_getscheduler(0) == os.SCHED_OTHER
