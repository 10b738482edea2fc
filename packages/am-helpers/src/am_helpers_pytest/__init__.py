"""The pytest plugin `am`: fixtures for machines, `--am-log`, and the ini option `am_strict`.

A package beside am_helpers, and one that imports nothing of it until a fixture is used: pytest
loads plugins before anything else, and whatever they import escapes the measuring of coverage.
"""

from __future__ import annotations

import logging
import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    import am_helpers as amh
    import am_machine as am
    from am_helpers.testing import Guard, HandlerOrder, HistoryFactory, MachineFactory

__all__ = ["am_handler_order", "am_history", "am_machine_factory"]

LEVELS = ("nothing", "external", "changes", "ops", "decisions", "everything")
_ALL_LINES = 5  # the lowest stdlib level that machines use


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--am-log`` and ``am_strict``."""
    parser.addini(
        "am_strict",
        "fail a test for what any machine made in it leaves behind, as am_machine_factory does",
        type="bool",
        default=False,
    )
    parser.getgroup("asyncmachine").addoption(
        "--am-log",
        metavar="LEVEL",
        type=_level,
        help=f"log machines at this level, seen by caplog: 0 to 5, or {', '.join(LEVELS)}",
    )


def _level(text: str) -> int:
    if text.lower() in LEVELS:
        return LEVELS.index(text.lower())
    if len(text) == 1 and text in "012345":
        return int(text)
    raise ValueError(f"{text!r} is not a level")


def pytest_configure(config: pytest.Config) -> None:
    """Switch on what option and environment ask for, and what other plugins make possible."""
    if config.pluginmanager.hasplugin("asyncio"):
        from . import _asyncio

        config.pluginmanager.register(_asyncio, "am_asyncio")
    level = config.getoption("am_log")
    if level is not None:
        os.environ["AM_LOG"] = str(level)
        logging.getLogger("am_machine").setLevel(_ALL_LINES)
    if os.environ.get("AM_TEST_DEBUG"):
        from am_helpers import testing

        testing.debug_by_env()


@pytest.fixture
def _am_guard() -> Iterator[Guard]:
    from am_helpers import testing

    guard = testing.Guard()
    yield guard
    if faults := guard.end():
        pytest.fail("\n\n".join(faults), pytrace=False)


@pytest.fixture(autouse=True)
def _am_strict(request: pytest.FixtureRequest) -> Iterator[None]:
    """With ``am_strict``, guard every machine that is made while a test runs."""
    if not request.config.getini("am_strict"):
        yield
        return
    guard: Guard = request.getfixturevalue("_am_guard")
    from am_machine.testing import created

    with created(guard.add_own):
        yield


@pytest.fixture
def am_machine_factory(request: pytest.FixtureRequest, _am_guard: Guard) -> MachineFactory:
    """Make machines with ``factory(schema, **options)``; they are disposed after the test.

    The test fails at its end if a machine had an error that no `am_helpers.assert_err` saw, cannot
    be disposed, or was opened and never left, so that its tasks were left behind.
    """
    import am_machine as am
    from am_helpers import testing

    level = request.config.getoption("am_log")

    def factory(schema: Any, **options: Any) -> am.Machine:
        options.setdefault("log_level", am.LogLevel.OPS if level is None else level)
        mach = am.Machine(schema, **options)
        testing.keep_lines(mach)
        _am_guard.add(mach)
        return mach

    return factory


@pytest.fixture
def am_history() -> Iterator[HistoryFactory]:
    """Keep the records of a machine in memory: ``am_history(machine, config=None)``."""
    import am_helpers as amh

    with ExitStack() as made:  # one that cannot be closed leaves no other open

        def attach(
            mach: am.MachineApi, config: amh.HistoryConfig | None = None
        ) -> amh.MemoryHistory:
            history = amh.MemoryHistory(mach, config)
            made.callback(history.close)
            return history

        yield attach


@pytest.fixture
def am_handler_order() -> HandlerOrder:
    """A tracer whose ``names`` are the handlers called, in order; give it to machines."""
    from am_helpers.testing import HandlerOrder

    return HandlerOrder()
