"""Cancelled at any step of its tasks, nothing is left behind and nothing breaks."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

import am_machine as am
import am_rpc

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

CLIENTS = 3
LIMITS = am_rpc.Limits(chunk=2000, client_text=2500)


class CancelAt(trio.abc.Instrument):
    """Cancels a scope before a given step of any task."""

    def __init__(self, step: int) -> None:
        self._left = step
        self.scope: trio.CancelScope | None = None

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Count."""
        if self.scope is not None:
            self._left -= 1
            if not self._left:
                self.scope.cancel()


class Parcels:
    """A consumer's handlers."""

    def ServerPayloadState(self, event: am.Event) -> None:
        """Take it."""


class PayloadSender:
    """Sends a large payload for each call."""

    def DState(self, event: am.Event) -> None:
        """Answer."""
        event.machine.add("SendPayload", name="large", data=b"x" * 5000)


async def use(dial: Any) -> None:
    """One client, with everything that has a task or a buffer."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        consumer = await enter(am.Machine(am_rpc.Consumer, handlers=Parcels()))
        retry = am_rpc.Retry(connect_delay=0.001)
        client = await enter(am_rpc.Client(dial, consumer=consumer, retry=retry, limits=LIMITS))
        net = await client.ready()
        wait = net.when_args("D", id=1)
        got = consumer.when("ServerPayload")
        net.add("B")
        net.add_ns("D")
        await net.add("D", id=1)
        await wait
        await got
        await net.sync()
        await net.flush()


async def clients_are_cancelled(states: Any, dial: Any, mux: Any, cancel: CancelAt) -> None:
    async with mux:
        with trio.CancelScope() as cancel.scope:
            async with trio.open_nursery() as nursery:
                for _ in range(CLIENTS):
                    nursery.start_soon(use, dial)
        cancel.scope = None


async def all_is_cancelled(states: Any, dial: Any, mux: Any, cancel: CancelAt) -> None:
    with trio.CancelScope() as cancel.scope:
        async with mux, trio.open_nursery() as nursery:
            for _ in range(CLIENTS):
                nursery.start_soon(use, dial)
    cancel.scope = None


async def the_mux_is_left(states: Any, dial: Any, mux: Any, cancel: CancelAt) -> None:
    async with trio.open_nursery() as nursery:
        async with mux:
            for _ in range(CLIENTS):
                nursery.start_soon(use, dial)
            with trio.move_on_after(5) as cancel.scope:
                await trio.sleep_forever()
            cancel.scope = None
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "scenario",
    [clients_are_cancelled, all_is_cancelled, the_mux_is_left],
    ids=lambda fn: fn.__name__,
)
def test_cancelled_at_any_step_nothing_is_left_behind(
    demo_states: Any,
    network: Any,
    caplog: pytest.LogCaptureFixture,
    scenario: Callable[[Any, Any, Any, CancelAt], Awaitable[None]],
) -> None:
    async def main(cancel: CancelAt) -> int:
        before = trio.lowlevel.current_statistics().tasks_living
        net = network()
        trio.lowlevel.add_instrument(cancel)
        async with am.Machine(demo_states, handlers=PayloadSender()) as source:
            mux = am_rpc.Mux(source, listener=net.listener(), push_interval=0, limits=LIMITS)
            with trio.fail_after(20):
                await scenario(demo_states, net.dial, mux, cancel)
            assert not mux.servers
        return trio.lowlevel.current_statistics().tasks_living - before

    for step in [*range(1, 120), *range(120, 500, 11)]:
        clock = trio.testing.MockClock(autojump_threshold=0)
        left = trio.run(main, CancelAt(step), clock=clock)
        assert left == 0, f"cancelled at step {step}"
    assert [record for record in caplog.records if record.name == "am_rpc"] == []
