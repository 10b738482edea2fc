"""A debugger without a screen, and exporters that feed it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from am_debugger._core.debugger import Debugger, Settings
from am_debugger._core.ports import NullUi, Progress
from am_debugger._store.link import Link

from ..exporter import Exporter
from ..messages import process

if TYPE_CHECKING:
    from am_debugger._store.store import Store

Feed = Callable[..., Exporter]


class Files:
    """Dumps that are lists of steps, or end in a fault after the first."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.fault = fault
        self.calls: list[tuple[str, str, int | None]] = []

    def read(self, store: Store, path: str) -> Iterator[Progress]:
        self.calls.append(("read", path, None))
        yield Progress(0.5, 10)
        if self.fault:
            raise self.fault
        yield Progress(1.0, 20, ("the end is missing",))

    def write(self, store: Store, path: str, moment: int | None) -> Iterator[Progress]:
        self.calls.append(("write", path, moment))
        yield Progress(0.5, 10)
        if self.fault:
            raise self.fault


@pytest.fixture
def debugger() -> Debugger:
    """Started, with no machine yet, not in tail mode."""
    made = Debugger(Settings(tail=False))
    made.machine.add("Start")
    return made


@pytest.fixture
def ui(debugger: Debugger) -> NullUi:
    assert isinstance(debugger.ui, NullUi)
    return debugger.ui


@pytest.fixture
def feed(debugger: Debugger) -> Feed:
    """Makes a machine with transitions at the given times: each adds `Work` or removes it."""
    link = Link(debugger.session.store, process())
    handles = iter(range(1, 1000))

    def made(id: str, *times: int) -> Exporter:
        exporter = Exporter(link, id, next(handles))
        for time in times:
            exporter.do([2], {2: 1}, time=time, kind=exporter.ticks[2] % 2)
        debugger.machine.add("InitClient")
        debugger.took(100)
        return exporter

    return made
