"""Connections of exporters: hello, proof, messages, acknowledgements, wishes, and bad manners."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.lowlevel
import trio.testing

from am_debugger._feed import incoming
from am_debugger._feed.incoming import HELLO_TIMEOUT, SILENCE
from am_telemetry import dbg

from ..messages import mach, process, schema, tx

if TYPE_CHECKING:
    from .conftest import Open

pytestmark = pytest.mark.trio
OF = schema(("Start", "Ready", "Exception"))


async def test_what_an_exporter_tells_is_in_the_store_and_acknowledged(
    open_server: Open, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_server() as place:
        peer = place.peer()
        welcome = await peer.hello()
        assert isinstance(welcome, dbg.Welcome)
        assert "detail" in welcome.caps
        await peer.send(OF, mach(1, "m", OF))
        await peer.send(dbg.Txs(((1, tx(b"entry001")), (1, tx(b"entry002")))))
        assert await peer.until(dbg.Ack) == dbg.Ack(2)
        assert [client.last for client in place.store] == [2]
        assert place.told.connects == 1
        assert place.told.nbytes > 0
        await peer.stream.aclose()
        await trio.testing.wait_all_tasks_blocked()
        assert not next(iter(place.store)).is_connected
        assert place.told.disconnects == 1


async def test_acknowledgements_come_at_once_after_256_entries(open_server: Open) -> None:
    async with open_server() as place:
        peer = place.peer()
        await peer.hello()
        entries = tuple([(1, tx(b"%08d" % k)) for k in range(256)])
        await peer.send(OF, mach(1, "m", OF), dbg.Txs(entries))
        assert await peer.until(dbg.Ack) == dbg.Ack(256)


async def told_of_a_machine(place: Any) -> Any:
    """A peer that told of one."""
    peer = place.peer()
    await peer.hello()
    await peer.send(OF, mach(1, "m", OF))
    await place.told.until(lambda: place.told.machines)
    return peer


async def test_others_have_their_turn_within_a_message_of_many_entries(
    open_server: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming, "SLICE", 0.0)
    async with open_server() as place:
        peer = await told_of_a_machine(place)
        before = place.told.turns
        await peer.send(dbg.Txs(tuple([(1, tx(b"%08d" % k)) for k in range(320)])))
        assert await peer.until(dbg.Ack) == dbg.Ack(320)
        assert place.told.turns - before >= 10


async def test_others_have_their_turn_while_such_a_message_is_decoded(
    open_server: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming, "SLICE", 0.0)
    async with open_server() as place:
        peer = await told_of_a_machine(place)
        before, client = place.told.turns, next(iter(place.store))
        turns: list[int] = []

        async def turn() -> None:
            place.told.turns += 1
            if not client.last:
                turns.append(place.told.turns - before)
            await trio.lowlevel.checkpoint()

        monkeypatch.setattr(place.told, "turn", turn)
        await peer.send(dbg.Txs(tuple([(1, tx(b"%08d" % k)) for k in range(1000)])))
        assert await peer.until(dbg.Ack) == dbg.Ack(1000)
        assert len(turns) >= 10


async def test_of_such_a_message_is_told_what_was_taken_in_so_far(
    open_server: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming, "SLICE", 0.0)
    monkeypatch.setattr(incoming, "TELLING", 0.0)
    async with open_server() as place:
        peer = await told_of_a_machine(place)
        await trio.testing.wait_all_tasks_blocked()
        before, client = place.told.nbytes, next(iter(place.store))
        message = dbg.Txs(tuple([(1, tx(b"%08d" % k)) for k in range(1000)]))
        size = len(dbg.encode(message))
        shares: list[tuple[float, float]] = []

        async def turn() -> None:
            shares.append((client.last / 1000, (place.told.nbytes - before) / size))
            await trio.lowlevel.checkpoint()

        monkeypatch.setattr(place.told, "turn", turn)
        await peer.send(message)
        assert await peer.until(dbg.Ack) == dbg.Ack(1000)
        assert place.told.nbytes - before == size
        assert any([0.2 < taken < 0.8 for taken, _ in shares])
        assert all([abs(taken - told) < 0.05 for taken, told in shares])


async def test_a_secret_is_proved_on_both_sides(open_server: Open) -> None:
    async with open_server(secret=b"sesame") as place:
        peer = place.peer()
        hello = dbg.Hello(1, process(), ())
        challenge = await peer.hello()
        assert isinstance(challenge, dbg.Challenge)
        nonce, sent = dbg.new_nonce(), dbg.encode(hello)
        mac = dbg.client_mac(b"sesame", challenge.nonce, nonce, sent)
        await peer.send(dbg.Auth(nonce, mac))
        proof = await peer.next()
        assert isinstance(proof, dbg.Proof)
        assert dbg.is_same_mac(proof.mac, dbg.server_mac(b"sesame", challenge.nonce, nonce, sent))
        await peer.send(OF, mach(1, "m", OF), dbg.Txs(((1, tx()),)))
        await peer.until(dbg.Ack)


async def test_a_wrong_secret_is_refused_and_nothing_is_taken_in(open_server: Open) -> None:
    async with open_server(secret=b"sesame") as place:
        peer = place.peer()
        challenge = await peer.hello()
        assert isinstance(challenge, dbg.Challenge)
        nonce, sent = dbg.new_nonce(), dbg.encode(dbg.Hello(1, process(), ()))
        mac = dbg.client_mac(b"guess", challenge.nonce, nonce, sent)
        await peer.send(dbg.Auth(nonce, mac))
        refusal = await peer.next()
        assert isinstance(refusal, dbg.Refusal)
        assert refusal.error == "wrong secret"
        assert await peer.next() is None
        assert len(place.store) == 0
        assert place.told.connects == 0


async def test_messages_before_the_proof_end_the_connection(open_server: Open) -> None:
    async with open_server(secret=b"sesame") as place:
        peer = place.peer()
        await peer.hello()
        await peer.send(OF)
        assert await peer.next() is None


async def test_another_version_and_a_loop_are_refused_in_words(open_server: Open) -> None:
    async with open_server() as place:
        peer = place.peer()
        await peer.send(dbg.Hello(9, process(), ()))
        answer = await peer.next()
        assert isinstance(answer, dbg.Refusal)
        assert "version 9" in answer.error
        peer = place.peer()
        answer = await peer.hello(via=("other", "collector"))
        assert isinstance(answer, dbg.Refusal)
        assert "went through here" in answer.error


async def test_a_machine_whose_stream_went_through_here_is_left_out(open_server: Open) -> None:
    async with open_server() as place:
        peer = place.peer()
        await peer.hello()
        looped = mach(1, "m", OF, process=process("far", via=("collector",)))
        await peer.send(OF, looped, mach(2, "n", OF), dbg.Txs(((1, tx()), (2, tx()))))
        await peer.until(dbg.Ack)
        assert [client.id for client in place.store] == ["n"]
        assert place.server.looped == 1


async def test_who_says_nothing_is_sent_away(
    open_server: Open, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_server() as place:
        start = trio.current_time()
        assert await place.peer().next() is None
        assert trio.current_time() - start == pytest.approx(HELLO_TIMEOUT)
        peer = place.peer()
        await peer.hello()
        start = trio.current_time()
        assert await peer.next() is None
        assert trio.current_time() - start == pytest.approx(SILENCE)
        peer = place.peer()
        await peer.hello()
        for _ in range(10):
            await trio.sleep(10)
            await peer.send(dbg.Ping())
        await peer.send(OF, mach(1, "m", OF), dbg.Txs(((1, tx()),)))
        assert await peer.until(dbg.Ack) == dbg.Ack(1)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        b"\xc1" * 100,
        b"\x93\x07\xa3abc\xc1" + b"z" * 3000,
        b"\xdd\xff\xff\xff\xff\xc1",
    ],
)
async def test_garbage_ends_its_connection_and_no_other(
    open_server: Open, data: bytes, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_server() as place:
        good = place.peer()
        await good.hello()
        bad = place.peer()
        await bad.stream.send_all(data)
        assert await bad.next() is None
        bad = place.peer()
        await bad.hello("p2")
        await bad.stream.send_all(data)
        assert await bad.next() is None
        await good.send(OF, mach(1, "m", OF), dbg.Txs(((1, tx()),)))
        assert await good.until(dbg.Ack) == dbg.Ack(1)


async def test_what_does_not_fit_is_left_out_and_too_much_of_it_ends_the_connection(
    open_server: Open,
) -> None:
    async with open_server() as place:
        peer = place.peer()
        await peer.hello()
        bad = tuple([(1, tx(called=(7,)))] * 500)
        await peer.send(OF, mach(1, "m", OF), dbg.Txs((*bad, (1, tx()))))
        assert await peer.until(dbg.Ack)
        assert [client.last for client in place.store] == [1]
        await peer.send(dbg.Txs(bad), dbg.Txs(bad))
        while await peer.next() is not None:
            pass
        assert "messages did not fit: the last one, of prog 7, since" in place.told.notes[0]


async def test_a_peer_that_does_not_read_makes_nothing_grow(open_server: Open) -> None:
    async with open_server() as place:
        peer = place.peer()
        await peer.hello()
        await peer.send(OF, mach(1, "m", OF))
        for k in range(200):
            entries = tuple([(1, tx(b"%04d%04d" % (k, n))) for n in range(100)])
            await peer.send(dbg.Txs(entries))
        with trio.fail_after(5):
            while next(iter(place.store)).last < 20_000:
                await trio.lowlevel.checkpoint()


async def test_wishes_reach_the_exporter_that_has_the_machine(open_server: Open) -> None:
    async with open_server() as place:
        peer, other = place.peer(), place.peer()
        await peer.hello("p1")
        await other.hello("p2")
        await peer.send(OF, mach(7, "m", OF))
        await other.send(OF, mach(7, "n", OF))
        await trio.testing.wait_all_tasks_blocked()
        client = place.store.get("m")
        assert client is not None
        place.server.want_detail(client, "me", 2)
        assert await peer.until(dbg.Detail) == dbg.Detail(7, 2)
        assert place.server.ask_pending(client)
        assert await peer.until(dbg.Ask) == dbg.Ask(7, "pending")
        item = dbg.PendingDef("wait", "", ("Ready",), 5)
        await peer.send(dbg.PendingMsg(7, (item,)))
        place.server.want_detail(client, "you", 0)
        place.server.forget_wishes("me")
        assert await peer.until(dbg.Detail) == dbg.Detail(7, 0)
        await trio.testing.wait_all_tasks_blocked()
        assert client.pending is not None
        assert client.pending.items == (item,)


async def test_machines_are_asked_for_the_usual_level_as_they_come(open_server: Open) -> None:
    async with open_server(detail=2) as place:
        peer = place.peer()
        await peer.hello()
        await peer.send(OF, mach(3, "m", OF))
        assert await peer.until(dbg.Detail) == dbg.Detail(3, 2)
