"""A replica over in-memory streams: mutations, checks, waits, results."""

from __future__ import annotations

from typing import Any

import pytest
import trio

import am_machine as am
import am_rpc

pytestmark = pytest.mark.trio


async def test_a_replica_starts_with_the_clock_of_its_source(serve: Any, demo_states: Any) -> None:
    async with serve() as pair:
        pair.source.add("D")
        pair.source.add("D")
        async with pair.connect(demo_states) as net:
            assert net.time() == pair.source.time()
            assert net.queue_tick == pair.source.queue_tick
            assert str(net) == str(pair.source)
            assert net.remote_id == "source"
            assert not net.is_local


async def test_a_replica_knows_whom_its_source_belongs_to(network: Any, demo_states: Any) -> None:
    async with (
        am.Machine(demo_states, id="boss") as boss,
        am.Machine(demo_states, id="worker", parent=boss) as worker,
    ):
        for source, parent in ((boss, None), (worker, "boss")):
            net_of = network()
            async with (
                am_rpc.Mux(source, listener=net_of.listener()),
                am_rpc.connect(net_of.dial) as net,
            ):
                assert (net.remote_id, net.remote_parent) == (source.id, parent)


async def test_a_result_settles_after_the_caller_can_see_its_effects(serve: Any) -> None:
    async with serve() as pair, pair.connect() as net:
        result = net.add("B")
        assert result
        assert result.queued
        assert result.outcome is None
        assert not result.settled
        assert await result is am.EXECUTED
        assert net.active == ("A", "B")
        assert await net.add("E") is am.CANCELED
        assert result.error is None


async def test_awaiting_a_mutation_is_one_line(serve: Any) -> None:
    async with serve() as pair, pair.connect() as net:
        assert await net.add("D", n=1) is am.EXECUTED
        assert await net.remove("D") is am.EXECUTED
        assert await net.set("B") is am.EXECUTED
        assert await net.toggle("B") is am.EXECUTED
        assert net.time() == pair.source.time()


async def test_args_may_be_named_as_parameters_are(serve: Any) -> None:
    seen: list[dict[str, Any]] = []

    class Handlers:
        def DState(self, event: am.Event) -> None:
            seen.append(dict(event.args))

    names = {"self": 1, "states": 2, "state": 3, "error": 4, "exc": 5, "method": 6}
    async with serve(handlers=Handlers()) as pair, pair.connect() as net:
        for mutate in (net.add, net.toggle, net.set, net.remove, net.toggle):
            assert await mutate("D", **names) is am.EXECUTED
        assert await net.check_add("D", **names) is am.EXECUTED
        assert await net.check_remove("D", **names) is am.EXECUTED
        net.add_ns("D", **names)
        await net.add_err("Exception", ValueError("x"), **names)
        entered = net.when_args("D", **names)
        await net.add("D", **names)
        assert await entered
    assert seen == [names] * 5


async def test_args_reach_the_handlers_of_the_source(serve: Any) -> None:
    seen: list[dict[str, Any]] = []

    class Handlers:
        def DState(self, event: am.Event) -> None:
            seen.append(dict(event.args))

    async with serve(handlers=Handlers()) as pair, pair.connect() as net:
        await net.add("D", n=1, text="x", data=b"\0", items=(1, [2.5]), table={"a": None})
    assert seen == [{"n": 1, "text": "x", "data": b"\0", "items": [1, [2.5]], "table": {"a": None}}]


async def test_a_change_at_the_source_wakes_a_local_wait(serve: Any) -> None:
    async with serve() as pair, pair.connect() as net:
        wait = net.when("B")
        pair.source.add("B")
        with trio.fail_after(10):
            assert await wait
            assert net.is_("A", "B")


async def test_a_blip_between_two_pushes_wakes_a_wait(serve: Any) -> None:
    async with serve(push_interval=None) as pair, pair.connect() as net:
        wait, gone = net.when("B"), net.when_not("B")
        assert gone.done
        pair.source.add("B")
        pair.source.remove("B")
        await net.sync()
        assert wait.done
        assert not net.is_("B")


async def test_unknown_states_and_bad_args_raise_at_the_call(serve: Any) -> None:
    async with serve() as pair, pair.connect() as net:
        with pytest.raises(am.UnknownStateError):
            net.add("Nope")
        with pytest.raises(am_rpc.EncodeError):
            net.add("D", value=object())
        with pytest.raises(am_rpc.EncodeError):
            net.add("D", _private=1)
        with pytest.raises(am_rpc.EncodeError):
            net.add("D", numbers=[0] * 65_537)
        with pytest.raises(TypeError):
            net.add("D", value=2**64)
        deep: list[Any] = []
        for _ in range(20):
            deep = [deep]
        with pytest.raises(am_rpc.EncodeError):
            net.add("D", value=deep)
        assert await net.add("D") is am.EXECUTED


async def test_local_checks_know_relations_and_remote_ones_ask_handlers(serve: Any) -> None:
    class Handlers:
        def CEnter(self, event: am.Event) -> bool:
            return bool(event.args.get("please"))

    async with serve(handlers=Handlers()) as pair, pair.connect() as net:
        assert net.can_add("C") is am.EXECUTED
        assert net.can_add("E") is am.CANCELED
        assert net.can_remove("D") is am.EXECUTED
        assert await net.check_add("C") is am.CANCELED
        assert await net.check_add("C", please=True) is am.EXECUTED
        assert await net.check_remove("C") is am.EXECUTED
        assert pair.source.tick("C") == 0


async def test_add_err_keeps_the_error_here_and_tells_the_source(serve: Any) -> None:
    async with serve() as pair, pair.connect() as net:
        error = ValueError("no luck")
        assert await net.add_err(error) is am.EXECUTED
        assert net.err is error
        assert isinstance(pair.source.err, am_rpc.RemoteError)
        assert pair.source.err.type_name == "ValueError"
        assert pair.source.err.message == "no luck"
        assert pair.source.is_("Exception", "ErrOnClient")
        await net.add_err("ErrProviding", error)
        assert net.is_("ErrProviding", "Exception")
        assert net.add_err(None) is am.CANCELED


async def test_one_way_mutations_arrive_in_order_with_the_others(serve: Any) -> None:
    seen: list[int] = []

    class Handlers:
        def DState(self, event: am.Event) -> None:
            seen.append(event.args["n"])

    async with serve(handlers=Handlers()) as pair, pair.connect() as net:
        for n in range(0, 20, 2):
            assert net.add_ns("D", n=n) is am.EXECUTED
            net.add("D", n=n + 1)
        await net.flush()
        assert seen == list(range(20))
        assert net.remove_ns("D") is am.EXECUTED
        await net.flush()
        assert not pair.source.is_("D")


async def test_the_local_queue_shows_what_is_on_its_way(serve: Any) -> None:
    async with serve() as pair, pair.connect() as net:
        assert net.when_queue_ends().done
        result = net.add("B")
        net.remove("C", "D")
        assert net.will_be("B")
        assert net.will_be_removed("C")
        assert net.is_queued("remove", "D", "C", exact=True, position="last")
        assert not net.is_queued("remove", "C", exact=True)
        assert not net.is_queued("add", "B", min_tick=1)
        assert [str(mutation) for mutation in net.queue] == ["[add] B", "[remove] C D"]
        settled, ends = net.when_queue(result), net.when_queue_ends()
        assert not settled.done
        assert await settled
        assert await ends
        assert net.queue == ()
        with pytest.raises(ValueError, match="kind"):
            net.is_queued("kind")


async def test_when_args_is_answered_by_the_source(serve: Any) -> None:
    async with serve() as pair, pair.connect() as net:
        wait = net.when_args("D", id=3)
        await net.add("D", id=2)
        assert not wait.done
        net.add("D", id=3, more=True)
        with trio.fail_after(10):
            assert await wait


async def test_a_dropped_when_args_is_unsubscribed(serve: Any) -> None:
    async with serve() as pair, pair.connect() as net:
        wait = net.when_args("D", id=3)
        await net.flush()
        await net.sync()
        (server,) = pair.mux.servers.values()
        assert len(server.client._waits) == 1
        del wait
        await net.sync()
        assert not server.client._waits


async def test_contexts_of_a_replica_expire_with_the_source_state(serve: Any) -> None:
    async with serve() as pair, pair.connect() as net:
        await net.add("D")
        context = net.state_ctx("D")
        pair.source.remove("D")
        await net.sync()
        assert context.expired


async def test_final_handlers_run_on_a_replica_and_negotiation_is_refused(serve: Any) -> None:
    seen: list[str] = []

    class Handlers:
        def BState(self, event: am.Event) -> None:
            seen.append("BState")

        def BEnd(self, event: am.Event) -> None:
            seen.append("BEnd")

        async def DState(self, event: am.Event) -> None:
            seen.append("D task")
            try:
                await trio.sleep_forever()
            finally:
                seen.append("D over")

    class Voter:
        def BEnter(self, event: am.Event) -> bool:
            return True

    async with serve() as pair, pair.connect(handlers=Handlers()) as net:
        await net.add("B", "D")
        await trio.testing.wait_all_tasks_blocked()
        await net.set()
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(am.HandlerError):
            net.bind(Voter())
    assert seen == ["BState", "D task", "BEnd", "D over"]


async def test_dispose_ends_the_replica_and_never_the_source(serve: Any) -> None:
    async with serve() as pair, pair.connect() as net:
        wait = net.when("B")
        args = net.when_args("B", id=1)
        net.dispose()
        assert await wait is False
        assert await args is False
        assert net.add("B") is am.CANCELED
        assert net.add_ns("B") is am.CANCELED
        assert not pair.source.disposed


async def test_export_and_texts_are_those_of_the_source(serve: Any) -> None:
    async with serve() as pair, pair.connect() as net:
        await net.add("B", "D")
        snapshot = net.export()
        assert snapshot.time == tuple(pair.source.time())
        assert net.string_all() == pair.source.string_all()
        assert net.inspect() == pair.source.inspect()
        with pytest.raises(RuntimeError):
            net.set_schema({"X": {}}, ["X"])


async def test_a_schema_that_does_not_fit_is_told(serve: Any, autojump_clock: object) -> None:
    class Other(am.States):
        Elsewhere = am.State()

    async with serve() as pair:
        with pytest.raises(am_rpc.RpcError, match="Elsewhere"):
            async with pair.connect(Other):
                raise AssertionError("connected")


async def test_the_connection_is_gone_when_both_sides_left(serve: Any) -> None:
    async with serve() as pair:
        async with pair.connect() as net:
            assert net.client.mach.is_("Ready")
            assert pair.mux.mach.is_("HasClients", "Ready")
        with trio.fail_after(10):
            await pair.mux.mach.when_not("HasClients")
        assert not pair.mux.servers
