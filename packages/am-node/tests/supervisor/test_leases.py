"""Who may use a worker, for how long, and what a stranger can do to it: nothing."""

from typing import Any

import pytest
import trio

import am_machine as am
import am_node
import am_rpc

pytestmark = pytest.mark.trio


class Echo(am_node.Worker):
    async def work(self, x: int) -> int:
        await trio.sleep(0.1)
        return x


class Once(Echo):
    reuse = False


async def test_no_worker_ever_has_two_clients(pooled: Any, clock: trio.abc.Clock) -> None:
    async with pooled(Echo, 5, 5) as sup:
        served: list[set[str]] = []

        async def watch() -> None:
            while True:
                held = [w.client for w in await sup.workers() if w.client]
                hosts = sup.launcher.hosts.values()
                served.append({host.mach.id for host in hosts if host.mach.is_("ClientConnected")})
                assert len(held) <= 5
                await trio.sleep(0.4)

        async def use(name: str) -> None:
            async with am_node.Client(name, Echo, supers=[sup.addr]) as client:
                for n in range(3):
                    assert await client.work(x=n, timeout=300) == n

        with trio.fail_after(300):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(watch)
                async with trio.open_nursery() as clients:
                    for n in range(20):
                        clients.start_soon(use, f"c{n}")
                nursery.cancel_scope.cancel()
        assert max(map(len, served)) <= 5


async def test_one_client_holds_no_more_workers_than_it_may(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    pool = am_node.Pool(3, 3, 0, max_client_workers=2)
    async with (
        pooled(Echo, pool=pool) as sup,
        am_node.Client("c", Echo, supers=[sup.addr]) as client,
    ):
        results = client.map([{"x": n} for n in range(30)], workers=3)
        async for _ in results:
            assert len([w for w in await sup.workers() if w.client]) <= 2


async def test_a_client_that_leaves_frees_its_worker_at_once(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    async with pooled(Echo, 1, 1) as sup:
        async with am_node.Client("c", Echo, supers=[sup.addr]) as client:
            await client.request_worker()
            assert sup.mach.not_("WorkersAvailable")
        with trio.fail_after(2):
            await sup.mach.when("WorkersAvailable")


async def test_a_worker_that_is_not_to_be_reused_is_replaced(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    async with pooled(Once, 1, 1) as sup:
        async with am_node.Client("c", Once, supers=[sup.addr]) as client:
            first = await client.request_worker()
        await trio.sleep(2)
        (info,) = await sup.workers()
        assert info.id != first
        assert sup.restarts == 0


async def _contract(sup: am_node.Supervisor, name: str) -> dict[str, Any]:
    """Ask for a worker as a client does, by hand."""
    got: list[dict[str, Any]] = []
    arrived = trio.Event()

    class Handlers:
        def ServerPayloadState(self, e: am.Event) -> None:
            got.append(e.args["data"])
            arrived.set()

    consumer = am.Machine(am_rpc.Consumer, handlers=Handlers())
    client = am_rpc.Client(sup.addr, id=name, consumer=consumer)
    async with consumer, client:
        net = await client.ready()
        await net.when("WorkersAvailable")
        args = {"worker_rpc_id": f"rc-{name}-link", "super_rpc_id": f"rc-{name}"}
        assert await net.add("ProvideWorker", **args) is am.EXECUTED
        await arrived.wait()
    return got[0]


async def _refused(addr: str, name: str, token: bytes) -> bool:
    retry = am_rpc.Retry(connect_tries=1, connect_total=3)
    client = am_rpc.Client(addr, id=name, secret=token, retry=retry)
    async with client:
        try:
            await client.ready(timeout=4)
        except am_rpc.RpcError:
            return True
    return False


async def test_wrong_ids_and_tokens_are_refused_by_a_worker(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    async with pooled(Echo, 1, 1) as sup:
        contract = await _contract(sup, "me")
        addr, token = contract["addr"], contract["token"]
        assert await _refused(addr, "me-link", b"x" * 32)
        assert await _refused(addr, "somebody-else", token)


async def test_a_second_use_of_a_token_is_refused(pooled: Any, clock: trio.abc.Clock) -> None:
    async with pooled(Echo, 1, 1) as sup:
        contract = await _contract(sup, "me")
        addr, token = contract["addr"], contract["token"]
        async with am_rpc.connect(addr, id="me-link", secret=token) as net:
            assert net.is_("Ready")
            thief = am_rpc.Client(addr, id="me-link", secret=token)
            async with thief:
                with trio.move_on_after(3):
                    await thief.mach.when("Ready")
                    # Let in by mistake for a moment, it is told to stop before it can do anything.
                    await thief.mach.when_not("Start")
                assert thief.mach.not_("Ready")
            assert net.is_("Ready")


async def test_an_old_token_is_refused(pooled: Any, clock: trio.abc.Clock) -> None:
    async with pooled(Echo, 1, 1) as sup:
        old = await _contract(sup, "me")
        async with am_rpc.connect(old["addr"], id="me-link", secret=old["token"]):
            pass
        await sup.mach.when("WorkersAvailable")
        new = await _contract(sup, "me")
        assert new["addr"] == old["addr"]
        assert await _refused(old["addr"], "me-link", old["token"])


async def test_a_client_that_never_connects_loses_its_lease(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    async with pooled(Echo, 1, 1) as sup:
        await _contract(sup, "me")
        await sup.mach.when_not("WorkersAvailable")
        with trio.fail_after(6):
            await sup.mach.when("WorkersAvailable")


async def test_nobody_is_served_before_there_is_a_lease(pooled: Any, clock: trio.abc.Clock) -> None:
    async with pooled(Echo, 1, 1) as sup:
        (host,) = sup.launcher.hosts.values()
        addr = host._config.local_addr + "p"
        assert await _refused(addr, "anybody", b"x" * 32)


@pytest.mark.parametrize("state", ["Start", "Draining", "ServeClient", "KillWorker", "ForkWorker"])
async def test_clients_cannot_mutate_what_is_not_theirs(
    pooled: Any, clock: trio.abc.Clock, state: str
) -> None:
    async with pooled(Echo, 1, 1, addr="127.0.0.1:0") as sup:
        async with am_rpc.connect(sup.addr, id="me") as net:
            if state in net.schema:
                assert await net.remove(state) is am.CANCELED
                assert await net.add(state) is am.CANCELED
        contract = await _contract(sup, "me")
        token = contract["token"]
        async with am_rpc.connect(contract["addr"], id="me-link", secret=token) as net:
            if state in net.schema:
                assert await net.remove(state) is am.CANCELED
                assert await net.add(state, id="x", token=b"x") is am.CANCELED
        assert sup.mach.is_("Start")


@pytest.mark.parametrize(
    "args",
    [{}, {"worker_rpc_id": 7, "super_rpc_id": "x"}, {"worker_rpc_id": "x" * 999},
     {"worker_rpc_id": "", "super_rpc_id": ""}],
)  # fmt: skip
async def test_malformed_requests_for_a_worker_are_refused(
    pooled: Any, clock: trio.abc.Clock, args: dict[str, Any]
) -> None:
    async with pooled(Echo, 1, 1) as sup, am_rpc.connect(sup.addr, id="me") as net:
        assert await net.add("ProvideWorker", **args) is am.CANCELED
        assert sup.mach.is_("Ready", "WorkersAvailable")


@pytest.mark.parametrize("addr", ["0.0.0.0:0", "192.0.2.1:7000", "[::]:0", "example.org:7000"])
async def test_an_unprotected_endpoint_for_other_hosts_is_refused(addr: str) -> None:
    with pytest.raises(ValueError, match="other hosts"):
        am_node.Supervisor(Echo, addr=addr)
    assert am_node.Supervisor(Echo, addr=addr, secret=b"s" * 32).kind == "Echo"
    assert am_node.Supervisor(Echo, addr=addr, insecure=True).kind == "Echo"


async def test_a_freed_worker_does_not_wait_for_those_who_were_refused_before(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    async with pooled(Echo, 1, 1) as sup:
        began = trio.current_time()

        async def use(name: str) -> None:
            async with am_node.Client(name, Echo, supers=[sup.addr]) as client:
                assert await client.work(x=1) == 1

        async with trio.open_nursery() as nursery:
            for n in range(10):
                nursery.start_soon(use, f"c{n}")
        # A tenth of a second each for the work, and as much again to change hands.
        assert trio.current_time() - began <= 3.0


async def test_a_client_asks_for_itself_alone(pooled: Any, clock: trio.abc.Clock) -> None:
    async with (
        pooled(Echo, low=2) as sup,
        am_rpc.connect(sup.addr, id="honest") as honest,
        am_rpc.connect(sup.addr, id="other") as other,
    ):
        own = honest.client.mach.id
        forged = other.add("ProvideWorker", worker_rpc_id="rc-nc-x", super_rpc_id=own)
        assert await forged is am.CANCELED
        asked = honest.add("ProvideWorker", worker_rpc_id="rc-nc-x", super_rpc_id=own)
        assert await asked is am.EXECUTED


async def test_only_who_holds_a_worker_may_complain_of_it(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    async with pooled(Echo) as sup, am_node.Client("c", Echo, supers=[sup.addr]) as client:
        worker = await client.request_worker()
        async with am_rpc.connect(sup.addr, id="stranger") as stranger:
            for _ in range(10):
                await stranger.add("WorkerIssues", worker_id=worker, reason="\x1b[2J")
        (info,) = [info for info in await sup.workers() if info.id == worker]
        assert info.errors == 0
        holder = client._supervisor.net
        assert holder is not None
        await holder.add("WorkerIssues", worker_id=worker, reason="slow")
        (info,) = [info for info in await sup.workers() if info.id == worker]
        assert info.errors == 1
