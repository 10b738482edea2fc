"""What clients may ask of a supervisor itself, and who may end its pool."""

from typing import Any

import pytest
import trio

import am_machine as am
import am_node
import am_rpc
from am_node._supervisor.peers import _offered

OPS = am_rpc.Access(write={"Draining"})
KEYS: am_rpc.Secrets = {"ops": am_rpc.Key(b"o" * 16, access=OPS), "app": b"a" * 16}


class Echo(am_node.Worker):
    async def work(self, x: int) -> int:
        return x


@pytest.mark.trio
async def test_a_client_is_told_how_the_pool_is(pooled: Any, clock: trio.abc.Clock) -> None:
    async with (
        pooled(Echo, 1, 3, warm=1) as sup,
        am_node.Client("c", Echo, supers=[sup.addr]) as client,
    ):
        assert await client.work(x=1) == 1
        await trio.sleep(0.2)  # the age of the news
        status = await client.status()
        assert (status.id, status.kind, status.addr) == (sup.mach.id, "Echo", sup.addr)
        assert (status.min, status.max, status.warm, status.restarts) == (1, 3, 1, 0)
        assert {"PoolReady", "Ready"} <= set(status.states)
        assert status.error == ""
        held = [worker for worker in status.workers if worker.client]
        assert [(worker.id, worker.tasks) for worker in held] == [(client.workers[0], 1)]
        assert status.workers == await sup.workers()


@pytest.mark.trio
async def test_whoever_asks_for_the_status_is_answered_and_nobody_else(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    async with (
        pooled(Echo, 1, 1) as sup,
        am_node.Client("a", Echo, supers=[sup.addr]) as one,
        am_node.Client("b", Echo, supers=[sup.addr]) as other,
    ):
        await other.status()
        heard: list[Any] = []
        other.mach.bind({"ServerPayloadState": lambda e: heard.append(e.args["name"])})
        await one.status()
        await trio.testing.wait_all_tasks_blocked(0.1)
        assert heard == []


@pytest.mark.trio
@pytest.mark.parametrize("args", [{}, {"req": -1}, {"req": True}, {"req": "1"}, {"req": 2**60}])
async def test_malformed_questions_for_the_status_are_refused(
    pooled: Any, clock: trio.abc.Clock, args: dict[str, Any]
) -> None:
    async with pooled(Echo, 1, 1) as sup, am_rpc.connect(sup.addr, id="me") as net:
        assert await net.add("ProvideStatus", **args) is am.CANCELED
        assert not sup.mach.add("ProvideStatus", req=1), "nobody asked from outside"


@pytest.mark.trio
async def test_without_a_supervisor_there_is_no_status(clock: trio.abc.Clock) -> None:
    async with am_node.Client("c", Echo, supers=["127.0.0.1:1"]) as client:
        with pytest.raises(am_node.SupervisorLost, match="within 3 s"):
            await client.status(timeout=3)


@pytest.mark.trio
async def test_a_supervisor_without_an_address_is_found_by_its_user_and_may_be_drained(
    pooled: Any, clock: trio.abc.Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    async with pooled(Echo, 1, 1) as sup, am_node.Client("c", Echo) as client:
        assert sup.addr == f"unix:{tmp_path}/asyncmachine/node-Echo.sock"
        assert await client.work(x=3) == 3
        async with am_node.Client("d", Echo, kind="Other") as stranger:
            with pytest.raises(am_node.SupervisorLost):
                await stranger.work(x=3, timeout=2)
        await client.drain()
        with trio.fail_after(20):
            await sup.mach.when_not("Start")
        assert sup.exit_code == 0


@pytest.mark.trio
async def test_nobody_takes_a_drain_back(pooled: Any, clock: trio.abc.Clock) -> None:
    async with pooled(Echo, 1, 1) as sup, am_rpc.connect(sup.addr, id="me") as net:
        assert await net.add("Draining") is am.EXECUTED
        assert await net.remove("Draining") is am.CANCELED
        with trio.fail_after(20):
            await sup.mach.when_not("Start")


@pytest.mark.trio
async def test_over_a_port_only_a_key_that_was_named_may_drain(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    async with pooled(Echo, 1, 1, addr="127.0.0.1:0", secret=KEYS) as sup:
        async with am_node.Client("c", Echo, supers=[sup.addr], secret=("app", b"a" * 16)) as app:
            assert await app.work(x=1) == 1
            with pytest.raises(am_node.NodeError, match="does not let this client drain it"):
                await app.drain()
            assert sup.mach.not_("Draining")
        async with am_node.Client("o", Echo, supers=[sup.addr], secret=("ops", b"o" * 16)) as ops:
            await ops.drain()
            assert sup.mach.is_("Draining") or sup.mach.not_("Start")


@pytest.mark.trio
async def test_over_a_port_without_keys_nobody_may_drain(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    async with (
        pooled(Echo, 1, 1, addr="127.0.0.1:0") as sup,
        am_node.Client("c", Echo, supers=[sup.addr]) as client,
    ):
        with pytest.raises(am_node.NodeError, match="does not let this client drain it"):
            await client.drain()


@pytest.mark.trio
async def test_workers_of_a_supervisor_on_a_socket_listen_on_no_port(clock: None) -> None:
    seen: list[str] = []

    class Noting(am_node.MemoryLauncher):
        async def run(self, spec: Any, task_status: Any = trio.TASK_STATUS_IGNORED) -> Any:
            config = am_node.BootConfig.from_bytes(spec.config)
            seen.extend([config.public_addr, config.local_addr, config.near_addr])
            return await super().run(spec, task_status)

    async with am_node.Supervisor(Echo, pool=am_node.Pool(1, 1, 0), launcher=Noting(Echo)) as sup:
        await sup.mach.when("PoolReady")
    assert len(seen) == 3
    assert all(addr.startswith("unix:") for addr in seen[:2])
    assert not seen[2]


@pytest.mark.trio
async def test_secrets_are_exchanged_while_sessions_go_on(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    old, new = b"o" * 16, b"n" * 16
    async with (
        pooled(Echo, 1, 1, addr="127.0.0.1:0", secret=old) as sup,
        am_node.Client("c", Echo, supers=[sup.addr], secret=old) as client,
    ):
        assert await client.work(x=1) == 1
        await sup.rotate([old, new])
        client.rotate(new)
        await sup.rotate(new)
        assert await client.work(x=2, timeout=20) == 2
        assert (await client.status()).id == sup.mach.id
        async with am_node.Client("d", Echo, supers=[sup.addr], secret=old) as late:
            with pytest.raises(am_node.SupervisorLost):
                await late.work(x=3, timeout=3)


@pytest.mark.parametrize(
    ("taken", "offered"),
    [
        (None, None),
        (b"x", b"x"),
        ({"a": (b"x", None), "b": (b"y", frozenset({"c"}))}, {"a": b"x", "b": b"y"}),
        ({"a": (b"x", b"y")}, {"a": (b"x", b"y")}),
    ],
)
def test_peers_are_offered_what_they_take(taken: Any, offered: Any) -> None:
    assert _offered(taken) == offered
