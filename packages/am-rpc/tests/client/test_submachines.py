"""A source may be the parent of other machines: what those do is none of its clients' business."""

from __future__ import annotations

from typing import Any

import pytest
import trio.testing

import am_machine as am
import am_rpc

pytestmark = pytest.mark.trio


class ChildStates(am.States):
    """More states than the parent of these tests has."""

    X = am.State(multi=True)
    Y = am.State()


@pytest.mark.parametrize("mutations", [False, True])
async def test_a_submachine_that_ends_takes_no_client_with_it(serve: Any, mutations: bool) -> None:
    async with serve() as pair, pair.connect(sync=am_rpc.Sync(mutations=mutations)) as net:
        async with am.Machine(ChildStates, id="child", parent=pair.source) as child:
            child.add("Y")
        await trio.testing.wait_all_tasks_blocked()
        assert child.disposed
        assert net.client.mach.is_("Ready")
        assert await net.add("B") is am.EXECUTED
        assert net.client.stats.reconnects == 0


async def test_what_a_submachine_does_is_not_recorded_as_the_sources(serve: Any) -> None:
    seen: list[tuple[str, ...]] = []

    class Watch(am.Tracer):
        def transition_end(self, transition: am.Transition) -> None:
            seen.append(transition.called)

    async with serve() as pair, pair.connect(sync=am_rpc.Sync(mutations=True)) as net:
        net.bind_tracer(Watch())
        async with am.Machine(ChildStates, id="child", parent=pair.source) as child:
            pair.source.add("D")
            child.add("X")
            child.add("X", "Y")
            pair.source.add("C")
            await trio.testing.wait_all_tasks_blocked()
        assert seen == [("D",), ("C",)]
        assert net.time() == pair.source.time()
        assert net.client.stats.checksum_errors == 0


async def test_a_submachine_that_grows_tells_no_client(serve: Any) -> None:
    async with serve() as pair, pair.connect() as net:
        heard = net.client.stats.bytes_in
        async with am.Machine({"X": {}}, id="child", parent=pair.source) as child:
            grown = dict(child.schema) | {"Z": am.State()}
            child.set_schema(grown, [*child.schema.names, "Z"])
            await trio.testing.wait_all_tasks_blocked()
        assert net.schema.names == pair.source.schema.names
        assert net.client.stats.bytes_in == heard
