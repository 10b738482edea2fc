"""The recorded cases of the engine, replayed from afar: a replica shows what a machine would.

The handlers of a case run at the source; every operation, read and wait goes through a replica.
"""

from __future__ import annotations

import functools
import json
import ssl
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
import trustme

import am_machine as am
import am_rpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

Case = dict[str, Any]
ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "packages" / "am-machine" / "tests" / "conformance"
MUTATIONS = ("add", "remove", "set", "toggle", "add_err")
# A check from afar that asks the handlers, as `can_…` does beside the machine.
CHECKS = {"can_add": "check_add", "can_remove": "check_remove"}


def load_cases() -> list[Case]:
    return [
        json.loads(line)
        for path in sorted(FOLDER.glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").split("\n")
        if line
    ]


def topic_of(case: Case) -> str:
    return str(case["id"]).split("/")[0]


CASES = load_cases()


class Script:
    """The handlers of a case, bound to its source."""

    def __init__(self, source: am.Machine, behaviours: dict[str, Any] | None) -> None:
        self.source = source
        self.calls: list[str] = []
        self.counts: Counter[str] = Counter()
        if behaviours is not None:
            found = {name: self._handler(name, how) for name, how in behaviours.items()}
            source.bind(found, strict=False)

    def _handler(self, name: str, behaviour: Any) -> Callable[[am.Event], bool | None]:
        def handle(event: am.Event) -> bool | None:
            self.calls.append(name)
            self.counts[name] += 1
            what = behaviour
            if isinstance(what, dict):
                if self.counts[name] > what.get("max", 1):
                    return None
                steps = what.get("mutate", [])
                for step in steps if isinstance(steps, list) else [steps]:
                    arguments, args = call_of(step | {"op": step["type"]})
                    getattr(self.source, step["type"])(*arguments, **args)
                what = what.get("first") or what.get("then")
            if what == "panic":
                raise RuntimeError(f"boom {name}")
            return False if what == "reject" else None

        return handle


def call_of(op: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Positional and keyword arguments of an operation."""
    states, args = op.get("states", []), op.get("args") or {}
    match op["op"]:
        case "add_err":
            error = RuntimeError(op["msg"])
            return ([op["state"], error] if "state" in op else [error]), args
        case "when_time":
            return [dict(zip(states, op["ticks"], strict=True))], {}
        case "when_ticks":
            return [states[0], op["n"]], {}
    return states, args


class Settling:
    """Does things to a replica and waits for mutations to settle."""

    def __init__(self, net: am_rpc.NetworkMachine) -> None:
        self.net = net

    async def call(self, name: str, *arguments: Any, **args: Any) -> Any:
        found = getattr(self.net, name)(*arguments, **args)
        return found if name.startswith("when") or name == "time" else await found

    async def read(self, name: str) -> Any:
        return getattr(self.net, name)


class Blocking:
    """Does the same from a thread without trio."""

    def __init__(self, machine: am_rpc.BlockingMachine) -> None:
        self.machine = machine

    async def call(self, name: str, *arguments: Any, **args: Any) -> Any:
        def there() -> Any:
            return getattr(self.machine, name)(*arguments, **args)

        return await trio.to_thread.run_sync(there)

    async def read(self, name: str) -> Any:
        return await trio.to_thread.run_sync(getattr, self.machine, name)


@functools.cache
def tls() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


@asynccontextmanager
async def from_afar(way: str, source: am.Machine, folder: Path) -> AsyncIterator[Any]:
    """An adapter of a replica of the source."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        if way in ("merged", "records"):
            ours, theirs = trio.testing.memory_stream_pair()
            await enter(am_rpc.Server(source, stream=theirs, push_interval=0))

            async def dial() -> trio.abc.Stream:
                return ours

            sync = am_rpc.Sync(mutations=way == "records")
            yield Settling(await enter(am_rpc.connect(dial, sync=sync)))
            return
        server, client = tls() if way == "tls" else (None, None)
        addr = f"unix:{folder / 's'}" if way in ("unix", "blocking") else "127.0.0.1:0"
        mux = await enter(am_rpc.Mux(source, addr, push_interval=0, ssl_context=server))
        if way == "blocking":
            facade = am_rpc.blocking(mux.addr)
            machine = await trio.to_thread.run_sync(facade.__enter__)
            try:
                yield Blocking(machine)
            finally:
                await trio.to_thread.run_sync(facade.__exit__, None, None, None)
            return
        net = await enter(am_rpc.connect(mux.addr, ssl_context=client))
        if way == "tree":
            below = await enter(am_rpc.Mux(net, "127.0.0.1:0", push_interval=0))
            net = await enter(am_rpc.connect(below.addr))
        yield Settling(net)


async def operate(afar: Any, op: dict[str, Any], waits: dict[str, Any]) -> str:
    """Do one operation; say how it ended, in the words of the recording."""
    arguments, args = call_of(op)
    name = CHECKS.get(op["op"], op["op"])
    if name in MUTATIONS or name in CHECKS.values():
        try:
            result = await afar.call(name, *arguments, **args)
        except am.UnknownStateError:
            return "panic"
        return "executed" if result is am.EXECUTED else "canceled"
    wait = await afar.call(name, *arguments, **args)
    if wait.done:
        return "closed"
    waits[op["sub"]] = wait
    return "pending"


async def replay(case: Case, way: str, folder: Path) -> None:
    schema = {
        name: case["schema"].get(name, {"multi": True} if name == "Exception" else {})
        for name in case["states"]
    }
    limit = case.get("queue_limit", 1000)
    waits: dict[str, Any] = {}
    async with (
        am.Machine(schema, handler_timeout=0, queue_limit=limit) as source,
        from_afar(way, source, folder) as afar,
    ):
        script = Script(source, case.get("handlers"))
        for number, (op, expected) in enumerate(zip(case["ops"], case["expect"], strict=True)):
            script.calls.clear()
            seen: dict[str, Any] = {"result": await operate(afar, op, waits)}
            await afar.call("sync")
            seen["closed"] = [name for name, wait in waits.items() if wait.done]
            for name in seen["closed"]:
                del waits[name]
            seen["active"] = list(await afar.read("active"))
            seen["ticks"] = list(await afar.call("time"))
            seen["calls"] = list(script.calls)
            for name in ("queue_tick", "is_err"):
                seen[name] = await afar.read(name)
            blank = {"calls": [], "closed": [], "is_err": False}
            wanted = {key: (blank | expected)[key] for key in seen}
            assert seen == wanted, f"operation {number}: {op}"


# What two states had in common in between is not to be seen in a sum of clock changes.
SEEN_MERGED = [case for case in CASES if case["id"] != "subs/when-transient"]
SAMPLE = CASES[::12]
TOPICS = sorted({topic_of(case) for case in CASES})


async def replay_topic(topic: str, cases: list[Case], way: str, folder: Path) -> None:
    """Replay those of the cases that are of a topic, and name each that ends otherwise.

    They are not a test each: a runner's own work for a test takes as long as half a case.
    """
    failed: list[Exception] = []
    for case in cases:
        if topic_of(case) == topic:
            try:
                with trio.fail_after(10):
                    await replay(case, way, folder)
            except Exception as error:
                error.add_note(f"case {case['id']}, {way}")
                failed.append(error)
    if failed:
        raise ExceptionGroup("not as recorded", failed)


def test_the_recorded_cases_are_all_there() -> None:
    assert (len(CASES), len(SEEN_MERGED), len(SAMPLE)) == (814, 813, 68)


@pytest.mark.trio
@pytest.mark.parametrize("topic", TOPICS)
async def test_a_replica_told_of_each_mutation_shows_what_was_recorded(
    topic: str, tmp_path: Path
) -> None:
    await replay_topic(topic, CASES, "records", tmp_path)


@pytest.mark.trio
@pytest.mark.parametrize("topic", TOPICS)
async def test_so_does_one_told_of_merged_changes(topic: str, tmp_path: Path) -> None:
    await replay_topic(topic, SEEN_MERGED, "merged", tmp_path)


@pytest.mark.trio
@pytest.mark.parametrize("way", ["tcp", "unix", "tls", "tree", "blocking"])
@pytest.mark.parametrize("topic", TOPICS)
async def test_so_does_one_over_sockets(topic: str, way: str, tmp_path: Path) -> None:
    await replay_topic(topic, SAMPLE, way, tmp_path)
