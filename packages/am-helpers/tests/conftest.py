"""What several test modules share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import am_machine as am

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class TransitionLog(am.Tracer):
    """Keeps every transition that ended, of all machines it is bound to."""

    def __init__(self) -> None:
        self.transitions: list[am.Transition] = []

    def transition_end(self, tx: am.Transition) -> None:
        self.transitions.append(tx)


@pytest.fixture
def transition_log() -> TransitionLog:
    return TransitionLog()


@pytest.fixture
def machine() -> Iterator[Callable[..., am.Machine]]:
    """A factory of quiet machines, disposed after the test."""
    made: list[am.Machine] = []

    def make(schema: Any, **options: Any) -> am.Machine:
        mach = am.Machine(schema, **options)
        mach.log_traceback = False
        made.append(mach)
        return mach

    yield make
    for mach in made:
        mach.dispose()
