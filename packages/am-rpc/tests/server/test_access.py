"""What `Access` keeps clients from doing, whatever the way they try it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio.testing

import am_machine as am
import am_rpc
from am_rpc._results import NetResult
from am_rpc._wire.mutation_messages import AddErr

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.trio


class PoolStates(am_rpc.StateSource):
    """Something that runs, and what strangers may ask of it."""

    Start = am.State()
    Ready = am.State(auto=True, require=["Start"])
    Request = am.State(multi=True)
    Cancel = am.State(remove=["Job"])
    Job = am.State()
    ErrJob = am.State(require=["Exception"])


@asynccontextmanager
async def served(
    serve: Any, write: set[str] | None, *active: str, **options: Any
) -> AsyncIterator[tuple[am.Machine, Any]]:
    """A running source with these rights to write, and a replica."""
    access = am_rpc.Access(write=write)
    async with serve(PoolStates, access=access, **options) as pair:
        pair.source.add("Start", *active)
        async with pair.connect(PoolStates) as net:
            yield pair.source, net


async def refused(result: am.Result) -> bool:
    """Whether a mutation came back with "no access"."""
    return await result is am.CANCELED and isinstance(result.error, am_rpc.NoAccess)


@pytest.mark.parametrize("called", [(), ("Request",), ("Request", "Ready")])
async def test_a_set_may_not_end_what_its_caller_may_not_write(
    serve: Any, called: tuple[str, ...]
) -> None:
    async with served(serve, {"Request", "Ready"}) as (source, net):
        before = source.time()
        assert await refused(net.set(*called))
        assert source.time() == before


async def test_a_set_without_any_right_to_write_is_refused(serve: Any) -> None:
    async with served(serve, set()) as (source, net):
        assert await refused(net.set())
        assert source.is_("Start")


async def test_a_set_that_keeps_what_its_caller_may_not_end_is_executed(serve: Any) -> None:
    async with served(serve, {"Start", "Request", "Ready", "Job"}, "Job") as (source, net):
        assert await net.set("Start", "Request") is am.EXECUTED
        assert source.active == ("Start", "Ready", "Request")


async def test_a_set_is_judged_by_what_is_active_when_it_is_executed(serve: Any) -> None:
    async with served(serve, {"Start", "Ready", "Request"}) as (source, net):
        assert await net.set("Start") is am.EXECUTED
        source.add("Job")
        assert await refused(net.set("Start"))
        source.remove("Job")
        assert await net.set("Start", "Request") is am.EXECUTED


async def test_what_relations_end_is_not_judged(serve: Any) -> None:
    async with served(serve, {"Cancel"}, "Job") as (source, net):
        assert await net.add("Cancel") is am.EXECUTED
        assert not source.is_("Job")


@pytest.mark.parametrize(
    ("write", "named"),
    [(set(), ()), ({"ErrJob"}, ("ErrJob",)), ({"Exception"}, ("ErrJob",)), ({"ErrJob"}, ())],
)
async def test_an_error_needs_the_right_to_write_it_and_exception(
    serve: Any, write: set[str], named: tuple[str, ...]
) -> None:
    async with served(serve, write) as (source, net):
        assert await refused(net.add_err(*named, ValueError("forged")))
        assert source.err is None
        assert not source.any_("Exception", "ErrJob", "ErrOnClient")


async def test_an_error_that_may_be_reported_brings_err_on_client_by_itself(serve: Any) -> None:
    async with served(serve, {"Exception", "ErrJob"}) as (source, net):
        assert await net.add_err("ErrJob", ValueError("mine")) is am.EXECUTED
        assert source.is_("Exception", "ErrJob", "ErrOnClient")


@pytest.mark.parametrize("named", [(), ("ErrJob",)])
async def test_an_error_needs_exception_though_its_message_leaves_it_out(
    serve: Any, named: tuple[str, ...]
) -> None:
    async with served(serve, {"Request", "ErrJob"}) as (source, net):
        result = NetResult()
        indexes = source.schema.indexes(named, source.id)
        assert net.client.submit_error(AddErr(indexes, "ValueError", "forged"), result)
        assert await refused(result)
        assert source.err is None


@pytest.mark.parametrize("call", ["add", "remove", "set", "toggle"])
async def test_nobody_forges_a_payload_unless_it_was_allowed(serve: Any, call: str) -> None:
    got: list[Any] = []

    class Mail:
        def ServerPayloadState(self, event: am.Event) -> None:
            got.append(event.args["data"])

    async with (
        am.Machine(am_rpc.Consumer, handlers=Mail()) as consumer,
        serve(PoolStates) as pair,
        pair.connect(consumer=consumer),
        pair.connect() as stranger,
    ):
        assert await refused(getattr(stranger, call)("SendPayload", name="x", data="forged"))
        assert await refused(stranger.add_err("SendPayload", ValueError()))
        with pytest.raises(am_rpc.NoAccess):
            await stranger.check_add("SendPayload")
        assert await stranger.add("Request") is am.EXECUTED
        pair.source.add("SendPayload", name="x", data="real")
        await trio.testing.wait_all_tasks_blocked()
        # What is left of it may be ended: nothing is sent by that.
        assert await stranger.set("Start") is am.EXECUTED
    assert got == ["real"]


async def test_a_payload_may_be_asked_for_by_who_has_the_right(serve: Any) -> None:
    async with served(serve, {"SendPayload"}) as (source, net):
        assert await net.add("SendPayload", name="x", data=1) is am.EXECUTED
        assert source.is_("SendPayload")


async def test_another_payload_state_is_guarded_instead(serve: Any) -> None:
    async with served(serve, None, payload_state="Request") as (_, net):
        assert await net.add("SendPayload", name="x") is am.EXECUTED
        assert await refused(net.add("Request", name="x"))


async def test_one_way_mutations_have_no_more_rights(serve: Any) -> None:
    async with served(serve, {"Request"}) as (source, net):
        net.client.submit_one_way("s", (), {})
        net.remove_ns("Start")
        assert await net.add("Request") is am.EXECUTED
        assert source.is_("Start")


@pytest.mark.parametrize("whole", [True, False])
async def test_a_relay_lets_set_only_who_may_write_all_of_its_source(
    serve: Any, network: Any, whole: bool
) -> None:
    # A relay may be behind its source, or not follow all of it: it judges by the whole schema.
    write = set(PoolStates.schema().names) - (set() if whole else {"Job"})
    below = network()
    async with (
        serve(PoolStates) as pair,
        pair.connect() as middle,
        am_rpc.Mux(middle, listener=below.listener(), access=am_rpc.Access(write=write)),
        am_rpc.Client(below.dial) as client,
    ):
        leaf = await client.ready()
        if whole:
            assert await leaf.set("Start") is am.EXECUTED
        else:
            assert await refused(leaf.set("Start"))


async def test_a_relay_that_knows_a_part_of_its_source_lets_nobody_set(
    serve: Any, network: Any
) -> None:
    part = {"Start", "Request"}
    below = network()
    async with (
        serve(PoolStates) as pair,
        pair.connect(sync=am_rpc.Sync(schema=False, allowed=part)) as middle,
        am_rpc.Mux(middle, listener=below.listener(), access=am_rpc.Access(write=part)),
        am_rpc.Client(below.dial) as client,
    ):
        leaf = await client.ready()
        pair.source.add("Job")
        assert await refused(leaf.set("Start"))
        assert await leaf.add("Start") is am.EXECUTED
        assert pair.source.is_("Job")
