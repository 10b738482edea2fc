"""One suite for every machine: local, over each transport, through a relay, from a thread."""

from __future__ import annotations

import functools
import re
import ssl
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trustme

import am_helpers as ah
import am_machine as am
import am_rpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.trio
WAYS = ["local", "memory", "tcp", "unix", "tls", "tree"]


class SuiteStates(am.States):
    """Every property and relation."""

    A = am.State()
    B = am.State(require=[A])
    C = am.State(add=["D"])
    D = am.State()
    E = am.State(remove=[A])
    Auto = am.State(auto=True, require=[D])
    Multi = am.State(multi=True)
    Guarded = am.State()


class SuiteHandlers:
    """Guards one state, lets another act."""

    def GuardedEnter(self, event: am.Event) -> bool:
        """Ask for the word."""
        return bool(event.args.get("word") == "please")

    def GuardedState(self, event: am.Event) -> None:
        """Act."""
        event.machine.add("Multi", by="guard")


@functools.cache
def tls() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


class Fed(am_rpc.NetworkMachine):
    """A replica without a connection; whoever feeds it also mutates the source in its place."""

    def __init__(self, source: am.Machine) -> None:
        super().__init__(None, source.schema, remote_id=source.id, id="fed")
        self._fed_by = source
        source.bind_tracer(Feeding(source, self))

    def add(self, /, *states: str, **args: Any) -> am.Result:
        """Mutate the source."""
        return self._fed_by.add(*states, **args)

    def remove(self, /, *states: str, **args: Any) -> am.Result:
        """Mutate the source."""
        return self._fed_by.remove(*states, **args)


class Feeding(am.Tracer):
    """Hands each change of a source to a replica."""

    def __init__(self, source: am.Machine, replica: Fed) -> None:
        self._source, self._replica = source, replica
        self._before = source.time()

    def transition_end(self, transition: am.Transition) -> None:
        source, now = self._source, self._source.time()
        grown = [
            (at, new - self._before[at]) for at, new in enumerate(now) if new != self._before[at]
        ]
        self._before = now
        self._replica.advance(grown, queue_tick=source.queue_tick, machine_tick=source.machine_tick)


@asynccontextmanager
async def machine(way: str, tmp_path: Path) -> AsyncIterator[Any]:
    """The suite's machine, or a replica of it."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        source = await enter(am.Machine(SuiteStates, handlers=SuiteHandlers(), id="suite"))
        if way == "local":
            yield source
            return
        if way == "fed":
            yield await enter(Fed(source))
            return
        if way == "memory":
            ours, theirs = trio.testing.memory_stream_pair()
            await enter(am_rpc.Server(source, stream=theirs, push_interval=0))

            async def dial() -> trio.abc.Stream:
                return ours

            yield await enter(am_rpc.connect(dial, SuiteStates))
            return
        server, client = tls()
        addr = f"unix:{tmp_path / 's'}" if way == "unix" else "127.0.0.1:0"
        serve = {"ssl_context": server} if way == "tls" else {}
        mux = await enter(am_rpc.Mux(source, addr, push_interval=0, **serve))
        options = {"ssl_context": client} if way == "tls" else {}
        net = await enter(am_rpc.connect(mux.addr, SuiteStates, **options))
        if way == "tree":
            below = await enter(am_rpc.Mux(net, "127.0.0.1:0", push_interval=0))
            net = await enter(am_rpc.connect(below.addr, SuiteStates))
        yield net


@pytest.fixture(params=WAYS)
async def mach(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Any]:
    async with machine(request.param, tmp_path) as found:
        yield found


FOLLOWED = pytest.mark.parametrize("mach", [*WAYS, "fed"], indirect=True)


async def test_it_has_the_surface_of_a_machine(mach: Any) -> None:
    assert isinstance(mach, am.MachineApi)
    assert mach.schema.names == SuiteStates.names()


async def test_add_remove_set_and_toggle(mach: Any) -> None:
    assert await mach.add("A") is am.EXECUTED
    assert await mach.add("B") is am.EXECUTED
    assert mach.is_("A", "B")
    assert await mach.remove("A") is am.EXECUTED
    assert mach.not_("A", "B")
    assert await mach.set("C") is am.EXECUTED
    assert mach.active == ("C", "D", "Auto")
    assert await mach.toggle("C") is am.EXECUTED
    assert await mach.toggle("C") is am.EXECUTED
    assert mach.tick("C") == 3
    assert await mach.set() is am.EXECUTED
    assert mach.active == ()


async def test_relations_refuse(mach: Any) -> None:
    assert await mach.add("B") is am.CANCELED
    assert mach.can_add("B") is am.CANCELED
    await mach.add("A")
    assert await mach.add("E") is am.EXECUTED
    assert mach.active == ("E",)


async def test_handlers_vote_and_act(mach: Any) -> None:
    assert await mach.add("Guarded") is am.CANCELED
    assert await mach.check_add("Guarded") is am.CANCELED
    assert await mach.check_add("Guarded", word="please") is am.EXECUTED
    assert mach.not_("Guarded")
    assert await mach.add("Guarded", word="please") is am.EXECUTED
    assert mach.is_("Guarded", "Multi")
    assert await mach.check_remove("Guarded") is am.EXECUTED


@FOLLOWED
async def test_clocks_count(mach: Any) -> None:
    for _ in range(3):
        await mach.add("Multi")
    assert mach.tick("Multi") == 5
    assert mach.time("Multi", "A") == (5, 0)
    assert mach.clock("Multi") == {"Multi": 5}
    assert mach.was_clock({"Multi": 3})
    assert mach.is_time(mach.time())
    assert mach.time().sum == 5
    assert mach.queue_tick == 4


@FOLLOWED
async def test_reads_tell_the_same(mach: Any) -> None:
    await mach.add("C")
    assert "C" in mach
    assert mach.any_("A", ("C", "D"))
    assert mach.switch("A", "D", "C") == "D"
    assert str(mach) == "(C:1 D:1 Auto:1)"
    assert mach.string_all().endswith("[A:0 B:0 E:0 Multi:0 Guarded:0 Exception:0]")
    assert mach.inspect("D") == "1 D\n    |Tick     1\n"
    assert mach.export().time == (0, 0, 1, 1, 0, 1, 0, 0, 0)
    with pytest.raises(am.UnknownStateError):
        mach.is_("Nope")


@FOLLOWED
async def test_waits_resolve(mach: Any) -> None:
    waits = {
        "when": mach.when("C", "D"),
        "any": mach.when_any("B", "D"),
        "time": mach.when_time({"C": 1}),
        "ticks": mach.when_ticks("D", 1),
        "next": mach.when_next_active("Auto"),
        "query": mach.when_query(lambda clock: clock["D"] == 1),
    }
    gone = mach.when_not("C")
    assert gone.done
    result = mach.add("C")
    settled = mach.when_queue(result)
    with trio.fail_after(5):
        assert await result is am.EXECUTED
        assert await settled
        for wait in waits.values():
            assert await wait
        assert await mach.when_queue_ends()
        left = mach.when_not("Auto")
        await mach.remove("C", "D")
        assert await left


async def test_when_args_sees_what_was_given(mach: Any) -> None:
    wait = mach.when_args("Multi", id=3)
    await mach.add("Multi", id=2)
    assert not wait.done
    await mach.add("Multi", id=3)
    with trio.fail_after(5):
        assert await wait


@FOLLOWED
async def test_contexts_end_with_their_state(mach: Any) -> None:
    await mach.add("A")
    context = mach.state_ctx("A")
    ended = trio.Event()

    async def live() -> None:
        with context:
            await trio.sleep_forever()
        ended.set()

    mach.fork(live)
    await trio.testing.wait_all_tasks_blocked()
    await mach.remove("A")
    with trio.fail_after(5):
        await ended.wait()
    assert context.expired


@FOLLOWED
async def test_final_handlers_run(mach: Any) -> None:
    seen: list[str] = []

    class Watch:
        def AState(self, event: am.Event) -> None:
            seen.append("AState")

        def AEnd(self, event: am.Event) -> None:
            seen.append("AEnd")

    binding = mach.bind(Watch())
    await mach.add("A")
    await mach.remove("A")
    binding.detach()
    await mach.add("A")
    assert seen == ["AState", "AEnd"]


async def test_errors_are_recorded(mach: Any) -> None:
    error = ValueError("no")
    failed = mach.when_err()
    assert await mach.add_err(error) is am.EXECUTED
    assert mach.err is error
    assert mach.is_err
    assert await failed


@FOLLOWED
async def test_clocks_are_compared(mach: Any) -> None:
    await mach.add("A")
    then = mach.time()
    await mach.add("B")
    assert mach.is_clock({"A": 1, "B": 1})
    assert not mach.is_clock({"A": 1, "B": 2})
    assert mach.was_time(then)
    assert not mach.is_time(then)
    assert mach.can_remove("A") is am.EXECUTED
    assert mach.machine_tick == mach.export().machine_tick


async def test_what_is_asked_of_a_handler_is_pending_until_it_is_done(mach: Any) -> None:
    assert mach.queue == ()
    seen: dict[str, Any] = {}

    class Watch:
        def AState(self, event: am.Event) -> None:
            mach.add("B", why="later")
            mach.remove("A")
            # Behind a relay the change arrives before the answer to the mutation that made it.
            seen["queue"] = [(mutation.kind, mutation.called) for mutation in mach.queue[-2:]]
            seen["add"] = mach.will_be("B"), mach.is_queued("add", "B", without_args=True)
            seen["remove"] = mach.will_be_removed("A"), mach.will_be_removed("B")
            seen["transition"] = mach.transition is not None

    mach.bind(Watch())
    await mach.add("A")
    with trio.fail_after(5):
        assert await mach.when_queue_ends()
    assert seen == {
        "queue": [("add", ("B",)), ("remove", ("A",))],
        "add": (True, False),
        "remove": (True, False),
        "transition": True,
    }
    assert mach.transition is None
    assert not mach.will_be("B")
    assert mach.active == ()


@FOLLOWED
async def test_tracers_see_transitions_until_they_are_detached(mach: Any) -> None:
    class Count(am.Tracer):
        ended = 0

        def transition_end(self, transition: am.Transition) -> None:
            self.ended += 1

    tracer = Count()
    mach.bind_tracer(tracer)
    await mach.add("A")
    await mach.add("D")
    seen = tracer.ended
    mach.detach_tracer(tracer)
    await mach.remove("A")
    assert seen >= 2
    assert tracer.ended == seen


async def test_settings_and_the_log_are_its_own(
    mach: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert mach.id
    assert mach.parent is None
    mach.handler_timeout = 3
    assert mach.handler_timeout == 3
    mach.log_level = am.LogLevel.CHANGES
    assert mach.log_level is am.LogLevel.CHANGES
    assert isinstance(mach.sem_log, am.SemLog)
    with caplog.at_level(1, "am_machine"):
        mach.log("hello from here")
    assert "hello from here" in caplog.text


async def test_disposal_ends_waits_and_refuses(mach: Any) -> None:
    told: list[Any] = []
    mach.on_dispose(told.append)
    never, gone = mach.when("E"), mach.when_disposed()
    assert not mach.disposed
    mach.dispose()
    with trio.fail_after(5):
        assert await gone
        assert not await never
    assert mach.disposed
    assert told == [mach]
    assert mach.add("A") is am.CANCELED


async def test_this_suite_uses_all_of_the_surface() -> None:
    suite = await trio.Path(__file__).read_text(encoding="utf-8")
    names = {name for name in vars(am.MachineApi) if not name.startswith("_")}
    assert len(names) > 50
    assert {name for name in names if not re.search(rf"\bmach\.{name}\b", suite)} == set()


async def test_pipes_and_helpers_do_not_notice(mach: Any) -> None:
    class Target(am.States):
        Seen = am.State()

    async with am.Machine(Target) as target:
        ah.bind(mach, target, "A", "Seen")
        seen = target.when("Seen")
        assert await mach.add("A")
        with trio.fail_after(5):
            assert await seen
        await mach.remove("A")
        with trio.fail_after(5):
            assert await target.when_not("Seen")
        ah.bind(target, mach, "Seen", "D")
        target.add("Seen")
        with trio.fail_after(5):
            assert await mach.when("D", "Auto")


async def test_a_thread_without_trio_sees_the_same_machine(tmp_path: Path) -> None:
    def suite(addr: str) -> None:
        with am_rpc.blocking(addr, SuiteStates) as mach:
            assert mach.add("A") is am.EXECUTED
            assert mach.add("B") is am.EXECUTED
            assert mach.active == ("A", "B")
            assert mach.remove("A") is am.EXECUTED
            assert mach.not_("A", "B")
            assert mach.add("B") is am.CANCELED
            wait = mach.when("Auto")
            assert mach.set("C") is am.EXECUTED
            assert wait.result(5)
            assert mach.add("Guarded") is am.CANCELED
            assert mach.check_add("Guarded", word="please") is am.EXECUTED
            assert mach.add("Guarded", word="please") is am.EXECUTED
            assert mach.is_("Guarded", "Multi")
            assert mach.toggle("Guarded") is am.EXECUTED
            assert mach.clock("Guarded", "Multi") == {"Guarded": 2, "Multi": 1}
            assert mach.add_err(ValueError("x")) is am.EXECUTED
            assert mach.is_err

    addr = f"unix:{tmp_path / 's'}"
    async with (
        am.Machine(SuiteStates, handlers=SuiteHandlers(), id="suite") as source,
        am_rpc.Mux(source, addr),
    ):
        with trio.fail_after(20):
            await trio.to_thread.run_sync(suite, addr)
