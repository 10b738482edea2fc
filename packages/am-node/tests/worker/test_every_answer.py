"""Whatever work returns or raises, in whatever form, its caller has an answer at once.

The worker serves on. `AM_NODE_ANSWER_CASES` says how many cases of each form there are.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import trio

import am_node

_spec = importlib.util.spec_from_file_location(
    "answer_cases", Path(__file__).with_name("answer_cases.py")
)
assert _spec is not None
assert _spec.loader is not None
answer_cases = sys.modules.setdefault("answer_cases", importlib.util.module_from_spec(_spec))
_spec.loader.exec_module(answer_cases)

pytestmark = pytest.mark.trio
CASES = int(os.environ.get("AM_NODE_ANSWER_CASES", "90"))


class Coroutine(am_node.Worker):
    async def work(self, number: int) -> Any:
        if number % 3 == 0:
            await trio.lowlevel.checkpoint()
        return answer_cases.do(number)


class Queued(Coroutine):
    queue = 8


class Inline(am_node.Worker):
    thread = False

    def work(self, number: int) -> Any:
        return answer_cases.do(number)


class Threaded(Inline):
    thread = True


class Nested(am_node.Worker):
    async def work(self, number: int) -> Any:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep, 0)
            return answer_cases.do(number)


class ByHand(am_node.Worker):
    """One that answers by itself, in the handler of a state."""

    def WorkRequestedState(self, e: Any) -> None:
        self.reply(e, answer_cases.do(e.args["number"]))


FORMS = [Coroutine, Queued, Inline, Threaded, Nested, ByHand]


def _ends_programs(error: BaseException) -> bool:
    return not isinstance(error, Exception) or isinstance(error, answer_cases.ExitingText)


def _lists(value: Any) -> Any:
    """A value as it arrives."""
    if isinstance(value, (list, tuple)):
        return [_lists(item) for item in value]
    return {k: _lists(v) for k, v in value.items()} if isinstance(value, dict) else value


@pytest.mark.parametrize("cls", FORMS)
async def test_every_case_is_answered_and_the_worker_serves_on(
    pooled: Any, clock: trio.abc.Clock, cls: type[am_node.Worker]
) -> None:
    async with pooled(cls) as sup, am_node.Client("c", cls, supers=[sup.addr]) as client:
        assert await client.work(number=-1) == -1
        (before,) = client.workers
        for number in range(CASES):
            kind, value = answer_cases.case(number)
            if cls is ByHand and kind == "raise" and _ends_programs(value):
                # In a handler that ends the process: its supervisor tells of that.
                continue
            try:
                with trio.fail_after(1):
                    result = await client.work(number=number, attempts=1)
            except am_node.WorkError:
                assert kind != "return", (number, value)
            else:
                assert kind == "return", (number, kind)
                assert result == _lists(value)
            with trio.fail_after(1):
                assert await client.work(number=-1 - number) == -1 - number
        assert client.workers == (before,)
        assert sup.restarts == 0
        (info,) = await sup.workers()
        assert info.errors == 0
