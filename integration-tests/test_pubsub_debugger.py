"""The machine of a topic shows in a debugger, where the environment asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

import am_machine as am
import am_pubsub
from am_pubsub.testing import MemoryNetwork
from am_telemetry.testing import Receiver

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_topic_shows_in_the_debugger_of_this_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("AM_DBG_ADDR", "1")
    monkeypatch.delenv("AM_TEST_RUNNER", raising=False)
    folder = tmp_path / "asyncmachine"
    folder.mkdir(mode=0o700)

    async def play() -> str:
        net = MemoryNetwork(1)
        source = am.Machine({"Start": {}}, id="source")
        async with (
            am_pubsub.Topic("jobs", transport=net.transport("a"), machines=[source]) as a,
            am_pubsub.Topic("jobs", transport=net.transport("b"), connect=["a"]) as b,
        ):
            with trio.fail_after(20), b.watch() as news:
                await anext(news)
            assert b.machines()
            return a.mach.id

    with Receiver(f"unix:{folder / 'dbg.sock'}") as receiver:
        id = trio.run(play)
        receiver.wait(lambda r: r.machine(id).txs)
        names = {name for _, name in receiver.machines}
        assert id in names
        assert not [name for name in names if name.startswith("ps-source")]  # replicas are inner
