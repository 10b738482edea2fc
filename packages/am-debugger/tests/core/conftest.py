"""A debugger without a screen, and exporters that feed it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from am_debugger._core.debugger import Debugger, Settings
from am_debugger._core.ports import NullUi
from am_debugger._store.link import Link

from ..exporter import Exporter
from ..messages import process

Feed = Callable[..., Exporter]


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
