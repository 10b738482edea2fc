"""Ends of links that were not meant: a pause of the whole host, and a goodbye that gets lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

import am_machine as am
import am_rpc

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.trio


class States(am_rpc.StateSource, am.States):
    Foo = am.State(multi=True)


@pytest.fixture
def clock() -> trio.testing.MockClock:
    return trio.testing.MockClock(autojump_threshold=0.02)


async def test_a_pause_of_the_whole_host_ends_no_link(
    tmp_path: Path, clock: trio.testing.MockClock
) -> None:
    source = am.Machine(States)
    async with (
        source,
        am_rpc.Mux(source, f"unix:{tmp_path / 's'}") as mux,
        am_rpc.Client(mux.addr, States) as client,
    ):
        net = await client.ready()
        lost = client.mach.when_not("Ready")
        clock.jump(1000)
        await trio.sleep(0.5)
        assert await net.add("Foo") is am.EXECUTED
        await trio.sleep(60)
        assert not lost.done
        assert client.mach.tick("HandshakeDone") == 1


async def test_a_client_that_is_cancelled_as_it_writes_has_said_goodbye(tmp_path: Path) -> None:
    source = am.Machine(States)
    told: list[bool] = []

    class Door:
        def __init__(self, server: am_rpc.Server) -> None:
            self.server = server

        def HandshakeDoneEnd(self, e: am.Event) -> None:
            told.append(self.server.said_bye)

    def new_server(mux: am_rpc.Mux, number: int, stream: trio.abc.Stream) -> am_rpc.Server:
        server = am_rpc.Server(source, stream=stream, serving=mux.serving)
        server.mach.bind(Door(server))
        return server

    addr = f"unix:{tmp_path / 's'}"
    async with source, am_rpc.Mux(None, addr, new_server=new_server) as mux:
        for count in range(20):
            with trio.CancelScope() as scope:
                async with am_rpc.Client(mux.addr, States) as client:
                    net = await client.ready()
                    for _ in range(count):
                        net.add("Foo")
                    scope.cancel()
                    await trio.sleep_forever()
            with trio.fail_after(5):
                while len(told) <= count:  # noqa: ASYNC110 - it is another task's
                    await trio.sleep(0.01)
    assert told == [True] * 20
