"""What the package offers to the tests of others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import trio
import trio.testing

import am_machine as am
import am_rpc
import am_rpc.testing as rpc_testing

RETRY = am_rpc.Retry(connect_delay=0.01)
SCHEMA = {"Foo": {"multi": True}, "Bar": {}}


@pytest.mark.trio
async def test_a_memory_network_is_cut_and_used_again() -> None:
    network = rpc_testing.MemoryNetwork()
    async with (
        am.Machine(SCHEMA) as source,
        am_rpc.Mux(source, listener=network.listener()),
        am_rpc.connect(network.dial, retry=RETRY) as net,
    ):
        for _ in range(5):
            await network.cut()
            assert await net.add("Foo") is am.EXECUTED
        assert source.tick("Foo") == 9
        assert len(network.client_ends) == 1


@pytest.mark.parametrize("after", [0, 1, 5])
@pytest.mark.trio
async def test_a_stream_swallows_all_behind_some_byte_until_it_is_closed(
    after: int, autojump_clock: trio.testing.MockClock
) -> None:
    network = rpc_testing.MemoryNetwork()
    async with (
        am.Machine(SCHEMA) as source,
        am_rpc.Mux(source, listener=network.listener()),
        am_rpc.connect(network.dial, retry=RETRY) as net,
    ):
        network.client_ends[0].swallows_after = after
        with trio.fail_after(10):
            assert await net.add("Foo") is am.EXECUTED
        assert source.tick("Foo") == 1
        assert net.client.stats.resumes == 1


@pytest.mark.trio
async def test_a_proxy_cuts_stalls_and_goes_on() -> None:
    async with (
        am.Machine(SCHEMA) as source,
        am_rpc.Mux(source, "127.0.0.1:0", push_interval=0) as mux,
        rpc_testing.FaultProxy(mux.addr) as proxy,
        am_rpc.connect(proxy.addr, retry=RETRY) as net,
    ):
        assert await net.add("Bar") is am.EXECUTED
        await proxy.cut()
        assert await net.add("Foo") is am.EXECUTED
        assert net.client.stats.resumes == 1
        proxy.stall()
        result = net.add("Foo")
        with trio.move_on_after(0.1):
            await result
        assert not source.tick("Foo") > 1
        proxy.resume()
        with trio.fail_after(5):
            assert await result is am.EXECUTED
        assert proxy.connections == 1


def test_no_test_patches_a_private_module() -> None:
    patched = re.compile(r"setattr\(\s*(.am_rpc\._|codec|peer_user|writer|driver)")
    folder = Path(__file__).parent
    found = [path.name for path in folder.rglob("test_*.py") if patched.search(path.read_text())]
    assert found == []


@pytest.mark.trio
async def test_writes_to_sockets_are_noted() -> None:
    async with (
        am.Machine({"A": {}}) as source,
        am_rpc.Mux(source, "127.0.0.1:0") as mux,
        am_rpc.connect(mux.addr) as net,
    ):
        with rpc_testing.socket_writes() as written:
            assert await net.add("A") is am.EXECUTED
        # The mutation, and its answer.
        assert len(written) == len(set(written)) == 2
