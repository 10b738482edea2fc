"""Helpers on replicas: pipes, waiting, mirrors, histories and requests over a real socket."""

from __future__ import annotations

import gc
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

import am_helpers as amh
import am_machine as am
import am_rpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.trio

LIMIT = 10.0


class Source(am.States):
    Foo = am.State()
    Bar = am.State(require=[Foo])
    Many = am.State(multi=True)
    ErrJob = am.State(require=["Exception"])


class Handlers:
    """Keeps what Foo was entered with; refuses Bar a few times."""

    def __init__(self) -> None:
        self.args: list[dict[str, Any]] = []
        self.refusals = 0

    def FooState(self, event: am.Event) -> None:
        self.args.append(dict(event.args))

    def BarEnter(self, event: am.Event) -> bool:
        self.refusals -= 1
        return self.refusals < 0


@asynccontextmanager
async def remote(handlers: Handlers | None = None) -> AsyncIterator[tuple[am.Machine, Any]]:
    """A machine behind a port, and its replica."""
    async with am.Machine(Source, id="source", handlers=handlers) as source:
        source.log_traceback = False
        async with (
            am_rpc.Mux(source, "127.0.0.1:0") as mux,
            am_rpc.connect(mux.addr, Source) as net,
        ):
            yield source, net


async def test_pipes_into_a_remote_machine_pass_args_and_errors() -> None:
    handlers = Handlers()
    async with remote(handlers) as (source, net):
        here = am.Machine(Source, id="here")
        here.log_traceback = False
        amh.bind(here, net, "Foo")
        amh.bind_err(here, net, "ErrJob")
        here.add("Foo", path="a/b")
        here.add_err(OSError("no disk"))
        await amh.wait_for_all(source.when("Foo", "ErrJob"), timeout=LIMIT)
        assert handlers.args == [{"path": "a/b"}]
        assert "no disk" in str(source.err)
        here.remove("Foo")
        await amh.wait_for_all(source.when_not("Foo"), timeout=LIMIT)
        assert not isinstance(here.err, amh.PipeError)


async def test_pipes_from_a_remote_machine_and_mirrors_follow_it() -> None:
    async with remote() as (source, net):
        here = am.Machine(Source, id="here")
        here.log_traceback = False
        amh.bind(net, here, "Foo", "Bar", "Bar")
        amh.bind_many(net, here, ["Foo", "Many"])
        amh.bind_err(net, here)
        copy = amh.mirror(net, ["Foo", "Bar"])
        source.add("Foo")
        await amh.wait_for_all(here.when("Foo"), copy.when("Foo"), timeout=LIMIT)
        source.add_err(OSError("no disk"))
        await amh.wait_for_all(here.when_err(), timeout=LIMIT)
        source.remove("Foo")
        await amh.wait_for_all(here.when_not("Foo"), copy.when_not("Foo"), timeout=LIMIT)
        net.dispose()
        assert copy.disposed
        assert amh.pipes_of(here) == ()


async def test_a_silent_remote_target_never_delays_a_source_handler() -> None:
    async with remote() as (_, net):
        here = am.Machine(Source, id="here")
        amh.bind(here, net, "Foo", flat=False)
        here.add("Foo")  # the first call resolves the transition
        here.remove("Foo")
        # A delay that is the pipe's comes in every round, one that is the host's does not.
        rounds: list[float] = []
        gc.collect()
        gc.disable()  # a collection of this whole process is not the pipe's doing
        try:
            for _ in range(10):
                spent = []
                for _ in range(20):
                    start = time.thread_time()
                    here.add("Foo")  # no checkpoint in between: nothing is sent or answered
                    spent.append(time.thread_time() - start)
                    here.remove("Foo")
                rounds.append(max(spent))
        finally:
            gc.enable()
        worst = min(rounds)
        print(f"pipe to a remote target: at most {worst * 1e6:.0f} us a call")
        assert worst <= 0.001


async def test_calls_that_wait_work_on_replicas() -> None:
    async with remote(Handlers()) as (source, net):
        assert await amh.add_sync(net, "Bar") is False
        assert await amh.add_sync(net, "Foo") is True
        assert await amh.add_async(net, "Many", "Many") is True
        assert net.is_("Foo", "Many")
        assert await amh.remove_sync(net, "Foo") is True
        assert source.not_("Foo")


async def test_requests_repeat_on_replicas() -> None:
    pytest.importorskip("tenacity")
    handlers = Handlers()
    handlers.refusals = 3
    async with remote(handlers) as (source, net):
        source.add("Foo")
        request = amh.Request.add(net, "Bar").delay(0.01)
        assert await request.run() is am.EXECUTED
        assert source.is_("Bar")


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_histories_record_replicas(kind: str, tmp_path: Path) -> None:
    start = datetime.now(UTC) - timedelta(hours=1)
    async with remote() as (_, net):
        config = amh.HistoryConfig(tracked=("Foo", "Many"))
        history: Any = (
            amh.MemoryHistory(net, config)
            if kind == "memory"
            else amh.SqliteHistory(net, tmp_path / "h.sqlite", config)
        )
        async with history:
            for state in ("Foo", "Many", "Many"):
                await net.add(state)
            await net.remove("Foo")
            await history.sync()
            end = datetime.now(UTC) + timedelta(hours=1)
            assert await history.activated_between("Many", start, end)
            assert await history.deactivated_between("Foo", start, end)
            records = await history.find_latest(amh.Query())
            assert records[0].tracked_time == (2, 3)
            assert history.machine_record.machine_id == net.id


async def test_graphs_and_diagrams_show_replicas() -> None:
    pytest.importorskip("networkx")
    async with remote() as (source, net):
        amh.bind(source, net, "Foo", "Many")
        graph = amh.Graph.from_machines(source, net)
        assert set(graph.machines) == {source.id, net.id}
        assert "Many" in amh.mermaid(net)
        assert "pipe" in amh.mermaid(graph)
