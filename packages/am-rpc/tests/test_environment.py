"""Switches of the environment, and the byte counter of tests."""

from __future__ import annotations

from importlib.metadata import distribution
from typing import Any

import pytest
import trio
import trio.testing

import am_helpers as amh
import am_machine as am
import am_rpc


def test_log_levels_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    monkeypatch.setenv("AM_RPC_LOG_SERVER", "2")
    monkeypatch.setenv("AM_RPC_LOG_CLIENT", "junk")
    monkeypatch.setenv("AM_RPC_DBG", "1")
    machine = am.Machine({"Foo": {}})
    assert am_rpc.Server(machine, "127.0.0.1:0").mach.log_level == 2
    assert am_rpc.Client("127.0.0.1:1").mach.log_level == 0
    assert am_rpc.Mux(machine, "127.0.0.1:0").mach.log_level == 0
    assert "AM_RPC_LOG_CLIENT" in caplog.text


@pytest.mark.parametrize(("switch", "hidden"), [("", True), ("0", True), ("1", False)])
def test_machines_of_this_package_keep_out_of_debugging_unless_asked(
    monkeypatch: pytest.MonkeyPatch, switch: str, hidden: bool
) -> None:
    monkeypatch.setenv("AM_RPC_DBG", switch)
    monkeypatch.setenv("AM_DBG_ADDR", "127.0.0.1:1")
    seen: list[am.MachineApi] = []
    amh.register_debug_exporter(lambda mach, addr: seen.append(mach))
    source = am.Machine({"Foo": {}})
    own = [
        am_rpc.Server(source, "127.0.0.1:0").mach,
        am_rpc.Client("127.0.0.1:1").mach,
        am_rpc.Mux(source, "127.0.0.1:0").mach,
    ]
    amh.register_debug_exporter(None)
    assert [amh.INNER in mach.tags for mach in own] == [hidden] * 3
    assert seen == ([] if hidden else own)


def test_the_mixins_are_bases_for_written_classes() -> None:
    points = distribution("am-rpc").entry_points.select(group="am_helpers.schemas")
    offered = {point.name: point.load() for point in points}
    assert offered == {"consumer": am_rpc.Consumer, "statesource": am_rpc.StateSource}


@pytest.mark.trio
async def test_a_meter_counts_the_bytes_of_a_mutation(demo_states: Any) -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    meter = am_rpc.TrafficMeter(ours)

    async def dial() -> trio.abc.Stream:
        return meter

    async with (
        am.Machine(demo_states) as source,
        am_rpc.Server(source, stream=theirs),
        am_rpc.connect(dial) as net,
    ):
        start = (meter.bytes_in, meter.bytes_out, meter.writes)
        await net.add("D")
        assert meter.bytes_out - start[1] == len(bytes.fromhex("94 00 03 a1 61 91 91 00"))
        assert meter.bytes_in - start[0] <= 20
        assert meter.writes - start[2] == 1
        for _ in range(100):
            net.add("D")
        await net.flush()
        assert meter.writes - start[2] <= 4, "one write per batch"
        assert meter.reads > 0
        await meter.wait_send_all_might_not_block()
