"""Many machines behind one address: named, listed, and each key sees its own."""

from __future__ import annotations

import ssl
import tracemalloc
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
import trustme

import am_machine as am
import am_rpc
from am_rpc import Access, Key
from am_rpc.wire import schema_hash

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.trio
RETRY = am_rpc.Retry(connect_delay=0.01)


class DeviceStates(am_rpc.StateSource):
    """A device among many."""

    On = am.State()
    Blink = am.State(multi=True)


def devices(count: int) -> list[am.Machine]:
    return [am.Machine(DeviceStates, id=f"dev{n:04}", tags=("device",)) for n in range(count)]


@asynccontextmanager
async def served(
    network: Any, machines: Any, **options: Any
) -> AsyncIterator[tuple[am_rpc.Mux, Any]]:
    net = network()
    async with am_rpc.Mux(machines, listener=net.listener(), push_interval=0, **options) as mux:
        yield mux, net.dial


async def names(dial: Any, **options: Any) -> list[str]:
    return [machine.id for machine in await am_rpc.list_machines(dial, **options)]


async def test_a_client_names_its_machine_and_gets_that_one_alone(network: Any) -> None:
    machines = devices(3)
    async with (
        served(network, machines) as (mux, dial),
        am_rpc.connect(dial, DeviceStates, machine="dev0001") as one,
        am_rpc.connect(dial, DeviceStates, machine="dev0002") as two,
    ):
        assert (one.remote_id, two.remote_id) == ("dev0001", "dev0002")
        assert await one.add("On") is am.EXECUTED
        machines[2].add("Blink")
        await two.when("Blink")
        assert [machine.active for machine in machines] == [(), ("On",), ("Blink",)]
        assert mux.machines == tuple(machines)
        assert one.boot != two.boot


@pytest.mark.parametrize("named", [None, "nobody"])
async def test_without_a_good_name_a_client_is_told_to_choose(
    network: Any, named: str | None, autojump_clock: trio.testing.MockClock
) -> None:
    async with (
        served(network, devices(2)) as (_, dial),
        am_rpc.Client(dial, machine=named, retry=RETRY) as client,
    ):
        with pytest.raises(am_rpc.NetworkTimeout, match="machine"):
            await client.ready(1)
        assert isinstance(client.last_error, am_rpc.NoMachine)
        assert client.last_error.code is am_rpc.ErrorCode.BUSY


async def test_the_only_machine_needs_no_name_and_has_one(
    network: Any, autojump_clock: trio.testing.MockClock
) -> None:
    machine = devices(1)
    for given in (machine, machine[0]):
        async with served(network, given) as (_, dial):
            for named in (None, "dev0000"):
                async with am_rpc.connect(dial, machine=named) as net:
                    assert net.remote_id == "dev0000"
                    assert [one.id for one in await net.client.machines()] == ["dev0000"]
            assert await names(dial) == ["dev0000"]
            with pytest.raises(am_rpc.NetworkError, match="other"):
                async with am_rpc.connect(dial, machine="other", retry=RETRY):
                    raise AssertionError("let in")


async def test_a_function_finds_machines_for_who_asks(network: Any) -> None:
    found: list[tuple[str, am_rpc.Caller]] = []
    machines = {machine.id: machine for machine in devices(2)}

    def find(name: str, caller: am_rpc.Caller) -> am.MachineApi | None:
        found.append((name, caller))
        if name == "broken":
            raise RuntimeError("no")
        return machines.get(name)

    async with served(network, find, secret={"k": b"secret"}) as (_, dial):
        secret = ("k", b"secret")
        async with am_rpc.connect(dial, machine="dev0001", secret=secret, id="me") as net:
            assert await net.add("On") is am.EXECUTED
        assert found[0][0] == "dev0001"
        assert (found[0][1].client_id, found[0][1].key_id) == ("rc-me", "k")
        assert await names(dial, secret=secret) == []
        async with am_rpc.Client(dial, machine="broken", secret=secret, retry=RETRY) as client:
            await client.mach.when("RetryingConn")
            assert client.last_error is not None
            assert "machine" in str(client.last_error)


async def test_a_list_tells_ids_parents_tags_and_schemas_page_by_page(network: Any) -> None:
    # With so many tags a page has about fifteen of them.
    tags = tuple(f"{n:02}" * 100 for n in range(64))
    machines = [am.Machine(DeviceStates, id=f"dev{n:04}", tags=tags) for n in range(40)]
    async with am.Machine({"A": {}}, id="home") as home, served(network, machines) as (mux, dial):
        mux.serve(am.Machine({"B": {}}, id="child", parent=home))
        rows = await am_rpc.list_machines(dial)
        assert [row.id for row in rows] == ["child", *(machine.id for machine in machines)]
        assert [row.parent for row in rows[:2]] == ["home", None]
        assert rows[1].tags == tags
        assert rows[1].schema_hash == rows[2].schema_hash == schema_hash(machines[0].schema)
        assert rows[0].schema_hash != rows[1].schema_hash


async def test_submachines_are_served_if_asked_for(network: Any) -> None:
    async with am.Machine({"A": {}}, id="root") as root:
        child = am.Machine({"B": {}}, id="child", parent=root)
        am.Machine({"C": {}}, id="inner", parent=root, tags=("am:inner",))
        grandchild = am.Machine({"D": {}}, id="grandchild", parent=child)
        async with served(network, root) as (_, dial):
            assert await names(dial) == ["root"]
        async with served(network, root, children=True) as (_, dial):
            assert await names(dial) == ["child", "grandchild", "root"]
            async with am_rpc.connect(dial) as net:
                assert net.remote_id == "root"
            async with am_rpc.connect(dial, machine="grandchild") as net:
                assert net.remote_parent == "child"
                assert await net.add("D") is am.EXECUTED
                late = am.Machine({"E": {}}, id="late", parent=root)
                assert [one.id for one in await net.client.machines()][-2:] == ["late", "root"]
            late.dispose()
            assert await names(dial) == ["child", "grandchild", "root"]
        assert grandchild.is_("D")


async def test_machines_come_and_go(network: Any, autojump_clock: trio.testing.MockClock) -> None:
    first, second = devices(2)
    async with served(network, [first]) as (mux, dial):
        mux.serve(second)
        with pytest.raises(ValueError, match="dev0001"):
            mux.serve(devices(2)[1])
        async with am_rpc.connect(dial, machine="dev0001", retry=RETRY) as net:
            await mux.withdraw("dev0001")
            await net.client.mach.when_not("Ready")
            assert await names(dial) == ["dev0000"]
            mux.serve(second)
            await net.client.mach.when("Ready")
            # The same object again: its sessions are still good.
            assert net.client.stats.resumes == 1
            boot = net.boot
            await mux.withdraw("dev0001")
            mux.serve(devices(2)[1])
            await net.client.mach.when_not("Ready")
            await net.client.mach.when("Ready")
            assert net.boot != boot
            assert net.client.stats.resumes == 1
            assert await net.add("On") is am.EXECUTED
    with pytest.raises(ValueError, match="one source"):
        am_rpc.Mux(first, "127.0.0.1:0").serve(second)
    with pytest.raises(ValueError, match="dev0000"):
        am_rpc.Mux([first, *devices(1)], "127.0.0.1:0")
    with pytest.raises(ValueError, match="new_server"):
        am_rpc.Mux([first], "127.0.0.1:0", new_server=lambda *_: None)  # type: ignore[arg-type,return-value]


async def test_a_disposed_machine_is_neither_told_nor_served(network: Any) -> None:
    machines = devices(2)
    async with served(network, machines) as (_, dial):
        machines[0].dispose()
        assert await names(dial) == ["dev0001"]
        async with am_rpc.Client(dial, machine="dev0000", retry=RETRY) as client:
            await client.mach.when("ConnRetryFailed")
            assert client.last_error is not None
            assert client.last_error.code is am_rpc.ErrorCode.DISPOSED


async def test_payloads_of_a_machine_reach_its_own_clients_alone(network: Any) -> None:
    got: list[tuple[str, str]] = []

    class Mail:
        def __init__(self, who: str) -> None:
            self.who = who

        def ServerPayloadState(self, event: am.Event) -> None:
            got.append((self.who, event.args["source"]))

    machines = devices(3)
    async with (
        am.Machine(am_rpc.Consumer, handlers=Mail("a")) as a,
        am.Machine(am_rpc.Consumer, handlers=Mail("b")) as b,
        served(network, machines) as (mux, dial),
        am_rpc.connect(dial, machine="dev0000", consumer=a),
        am_rpc.connect(dial, machine="dev0001", consumer=b, id="b"),
    ):
        machines[0].add("SendPayload", name="x", data=1)
        machines[1].add("SendPayload", name="x", data=1, destination="rc-b")
        machines[0].add("SendPayload", name="x", data=1, destination="rc-b")
        await trio.testing.wait_all_tasks_blocked()
        assert sorted(got) == [("a", "dev0000"), ("b", "dev0001")]
        assert machines[0].is_("ErrSendPayload")
        await mux.send_payload("all", 1)
        assert len(got) == 4


async def test_a_key_opens_the_machines_that_it_names(
    network: Any, autojump_clock: trio.testing.MockClock
) -> None:
    keys = {
        "one": Key(b"1" * 32, machines={"dev0001"}),
        "all": Key(b"2" * 32),
        "none": Key(b"3" * 32, machines=()),
    }
    async with served(network, devices(3), secret=keys) as (mux, dial):
        secrets = {name: (name, key.secret) for name, key in keys.items()}
        assert await names(dial, secret=secrets["one"]) == ["dev0001"]
        assert await names(dial, secret=secrets["none"]) == []
        assert len(await names(dial, secret=[b"wrong", b"worse"][:0] or secrets["all"])) == 3
        with pytest.raises(am_rpc.NoAccess):
            await names(dial, secret=("all", b"wrong"))
        async with am_rpc.connect(dial, machine="dev0001", secret=secrets["one"]) as net:
            assert [one.id for one in await net.client.machines()] == ["dev0001"]
        told = []
        for machine in ("dev0000", "nobody"):
            async with am_rpc.Client(
                dial, machine=machine, secret=secrets["one"], retry=RETRY
            ) as client:
                await client.mach.when("RetryingConn")
                told.append(str(client.last_error).replace(machine, "x"))
        assert told[0] == told[1]
        # Whoever asks for lists alone leaves nothing behind.
        assert len(mux.servers) == 0


@asynccontextmanager
async def listening(
    transport: str, network: Any, tmp_path: Path, machines: list[am.Machine], **options: Any
) -> AsyncIterator[tuple[am_rpc.Mux, dict[str, Any]]]:
    """A mux in one way of listening, and what a client needs to reach it."""
    client: dict[str, Any] = {}
    if transport == "memory":
        net = network()
        options["listener"] = net.listener()
    if transport == "tls":
        ca = trustme.CA(key_type=trustme.KeyType.ECDSA)
        options["ssl_context"] = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        ca.issue_cert("127.0.0.1", key_type=trustme.KeyType.ECDSA).configure_cert(
            options["ssl_context"]
        )
        client["ssl_context"] = ssl.create_default_context()
        ca.configure_trust(client["ssl_context"])
    addr = {
        "memory": None,
        "unix": f"unix:{tmp_path / 's'}",
        "ws": "ws://127.0.0.1:0",
    }.get(transport, "127.0.0.1:0")
    async with am_rpc.Mux(machines, addr, push_interval=0, **options) as mux:
        yield mux, client | {"addr": net.dial if transport == "memory" else mux.addr}


KINDS = {
    "reader": Key(b"r" * 32, access=Access(write=())),
    "operator": Key(b"o" * 32, access=Access(write={"On", "Blink"})),
    "nothing": Key(b"n" * 32, access=Access(read=(), write=())),
}


@pytest.mark.parametrize("transport", ["memory", "plain", "unix", "tls", "ws"])
async def test_a_thousand_machines_and_fifty_clients_each_by_its_key(
    transport: str, network: Any, tmp_path: Path
) -> None:
    machines = devices(1000)
    seen: dict[str, int] = dict.fromkeys(KINDS, 0)
    limits = am_rpc.Limits(refusal_delay=0.01)

    async def follow(number: int, options: dict[str, Any]) -> None:
        kind = list(KINDS)[number % 3]
        machine = machines[number * 7]
        who = options | {"secret": (kind, KINDS[kind].secret)}
        if kind == "nothing":
            with pytest.raises(am_rpc.NoAccess):
                await am_rpc.list_machines(**who, timeout=30)
            with pytest.raises(am_rpc.NoAccess):
                async with am_rpc.connect(**who, machine=machine.id, timeout=30):
                    raise AssertionError("let in")
        else:
            async with am_rpc.connect(**who, machine=machine.id, timeout=30) as net:
                machine.add("Blink")
                await net.when("Blink")
                result = net.add("On")
                if kind == "operator":
                    assert await result is am.EXECUTED
                    assert machine.is_("On")
                else:
                    assert await result is am.CANCELED
                    assert isinstance(result.error, am_rpc.NoAccess)
                    assert not machine.is_("On")
                if number < 6:
                    assert len(await net.client.machines()) == 1000
        seen[kind] += 1

    served = listening(transport, network, tmp_path, machines, secret=KINDS, limits=limits)
    async with served as (_, options), trio.open_nursery() as nursery:
        for number in range(50):
            nursery.start_soon(follow, number, options)
    assert seen == {"reader": 17, "operator": 17, "nothing": 16}
    touched = [machine for machine in machines if machine.active]
    assert len(touched) == 34


async def test_a_served_machine_that_nobody_follows_costs_a_kibibyte_at_most(network: Any) -> None:
    machines = devices(1000)
    net = network()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        async with am_rpc.Mux(machines, listener=net.listener(), secret=KINDS):
            reader = ("reader", KINDS["reader"].secret)
            assert len(await am_rpc.list_machines(net.dial, secret=reader)) == 1000
            for number in range(20):
                async with am_rpc.connect(net.dial, machine=f"dev{number:04}", secret=reader):
                    pass
            grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    print(f"{grown / 1000:.0f} bytes per machine that nobody follows")
    assert grown / 1000 <= 1024
