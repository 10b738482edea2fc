"""How long the end of a program is held up by all who have something to send."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from am_telemetry._hub import ending
from am_telemetry._hub.ending import LAST, Ending


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, of a program whose main thread has ended."""
    now = [100.0]
    monkeypatch.setattr(ending, "monotonic", lambda: now[0])

    class Over:
        def is_alive(self) -> bool:
            return False

    fake: Any = type("Threading", (), {"main_thread": staticmethod(Over), "Lock": threading.Lock})
    monkeypatch.setattr(ending, "threading", fake)
    return now


def test_while_the_program_runs_nothing_is_held_up() -> None:
    one = Ending()
    with one.hold(5.0) as seconds:
        assert seconds == 5.0
    with one.hold(5.0) as seconds:
        assert seconds == 5.0


def test_those_who_hold_it_up_one_after_another_share_the_time(clock: list[float]) -> None:
    one = Ending()
    with one.hold(5.0) as seconds:
        assert seconds == LAST
        clock[0] += LAST / 4
    clock[0] += 60  # in which others had to do
    with one.hold(5.0) as seconds:
        assert seconds == pytest.approx(LAST * 3 / 4)
        clock[0] += LAST * 2
    with one.hold(5.0) as seconds:
        assert seconds == 0


def test_those_who_hold_it_up_beside_each_other_do_so_at_once(clock: list[float]) -> None:
    one = Ending()
    with one.hold(5.0):
        clock[0] += LAST / 4
        with one.hold(5.0) as seconds:
            assert seconds == pytest.approx(LAST * 3 / 4)
            clock[0] += LAST / 4
        clock[0] += LAST / 4
    with one.hold(5.0) as seconds:
        assert seconds == pytest.approx(LAST / 4)
    with one.hold(0.01) as seconds:
        assert seconds == 0.01


def test_a_child_process_has_an_end_of_its_own(clock: list[float]) -> None:
    one = Ending()
    with one.hold(5.0):
        clock[0] += LAST
    one.forked()
    with one.hold(5.0) as seconds:
        assert seconds == LAST
