"""Workers do not interrupt whoever runs when they wake up."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from am_node._background import step_back

pytestmark = pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="Linux only")


def _policy_after(given: int) -> int:
    # It is that of a thread, not of the process.
    def run() -> int:
        os.sched_setscheduler(0, given, os.sched_param(0))
        step_back()
        return os.sched_getscheduler(0)

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result()


def test_an_ordinary_thread_steps_back() -> None:
    assert _policy_after(os.SCHED_OTHER) == os.SCHED_BATCH
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_a_policy_that_was_chosen_stays() -> None:
    assert _policy_after(os.SCHED_IDLE) == os.SCHED_IDLE


def test_where_it_is_forbidden_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbid(*args: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", forbid)
    step_back()
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_where_there_is_nothing_of_the_kind_nothing_happens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(os, "SCHED_BATCH")
    step_back()
