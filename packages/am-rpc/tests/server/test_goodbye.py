"""A client that leaves says so, also when it is cancelled; a link that just ends is no goodbye."""

from typing import Any

import pytest
import trio

import am_machine as am
import am_rpc

pytestmark = pytest.mark.trio


class Farewells:
    """Handlers on the machine of a server: how each of its clients left."""

    def __init__(self) -> None:
        self.server: am_rpc.Server | None = None
        self.said: list[bool] = []

    def HandshakeDoneEnd(self, e: am.Event) -> None:
        assert self.server is not None
        self.said.append(self.server.said_bye)


def _server(source: am.Machine, farewells: Farewells) -> am_rpc.Server:
    farewells.server = server = am_rpc.Server(source, "127.0.0.1:0")
    server.mach.bind(farewells)
    return server


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_client_that_leaves_says_goodbye(
    demo_states: type[am.States], cancelled: bool
) -> None:
    farewells = Farewells()
    async with am.Machine(demo_states) as source, _server(source, farewells) as server:
        with trio.CancelScope() as scope:
            async with am_rpc.Client(server.addr) as client:
                await client.ready()
                if cancelled:
                    scope.cancel()
                    await trio.lowlevel.checkpoint()
        with trio.fail_after(5):
            await server.mach.when_not("HandshakeDone")
    assert farewells.said == [True]


async def test_a_link_that_ends_and_comes_back_is_no_goodbye(
    demo_states: type[am.States],
) -> None:
    farewells = Farewells()
    retry: Any = am_rpc.Retry(connect_delay=0.01)
    async with am.Machine(demo_states) as source, _server(source, farewells) as server:
        async with am_rpc.Client(server.addr, retry=retry) as client:
            await client.ready()
            assert client.link is not None
            again = client.mach.when_next_active("Ready")
            client.link.connection.close()
            with trio.fail_after(5):
                await again
        with trio.fail_after(5):
            await server.mach.when_not("HandshakeDone")
    assert farewells.said == [False, True]
