"""Why a mutation comes out as it does, asked of the source from far away."""

from __future__ import annotations

from typing import Any

import pytest

import am_machine as am
import am_rpc
from am_rpc._server.explaining import told_reasons
from am_rpc._wire.messages import Explain


class DoorStates(am_rpc.StateSource):
    """A door with a lock and a secret."""

    Locked = am.State()
    Alarm = am.State()
    Open = am.State(require=["Unlocked"])
    Unlocked = am.State(remove=["Locked"])
    Paid = am.State(multi=True)


class Handlers:
    def PaidEnter(self, event: am.Event) -> bool:
        return False


@pytest.mark.trio
async def test_relations_and_votes_are_told_as_the_source_tells_them(serve: Any) -> None:
    async with serve(DoorStates, Handlers()) as pair, pair.connect(DoorStates) as net:
        assert await net.explain_remote("Open") == pair.source.explain("Open").reasons
        assert "requires Unlocked" in " ".join(await net.explain_remote("Open"))
        assert await net.add("Paid") is am.CANCELED
        (line,) = await net.explain_remote("Paid")
        assert line.startswith("PaidEnter of Handlers voted against it")
        assert __file__ not in line
        assert await net.explain_remote("Locked", kind="remove") == (
            pair.source.explain("Locked", kind="remove").reasons
        )
        assert pair.source.time() == net.time()


@pytest.mark.trio
async def test_hidden_states_and_errors_are_not_told(serve: Any) -> None:
    readable = set(DoorStates.names()) - {"Unlocked", "Paid"}
    access = am_rpc.Access(read=readable, errors=False)
    served = serve(DoorStates, Handlers(), access=access)
    async with served as pair, pair.connect(DoorStates) as net:
        told = " ".join(await net.explain_remote("Open"))
        assert "Open" in told
        assert "requires ?" in told
        await net.add("Paid")
        assert (await net.explain_remote("Paid"))[0].startswith("? of Handlers voted")


def test_texts_of_errors_and_places_are_told_to_nobody_or_to_whom_errors_are() -> None:
    raised = "AEnter of H raised RuntimeError: /etc/x (1) (/home/me/h (2).py, line 3)"
    names, access = ("A", "B"), am_rpc.Access(errors=False)
    assert told_reasons([raised], names, None, access) == ["AEnter of H raised RuntimeError"]
    (line,) = told_reasons([raised], names, None, am_rpc.Access())
    assert "/home" not in line
    hidden = frozenset(("B",))
    assert told_reasons(["AB voted", "A is B"], names, hidden, access) == ["? voted", "? is B"]
    assert len(told_reasons(["x" * 5000] * 100, names, None, access)) == 64


@pytest.mark.trio
@pytest.mark.parametrize("check", [True, False])
async def test_who_may_not_check_may_not_ask_why(serve: Any, check: bool) -> None:
    served = serve(DoorStates, access=am_rpc.Access(check=check))
    async with served as pair, pair.connect(DoorStates) as net:
        if check:
            assert await net.explain_remote("Open")
        else:
            with pytest.raises(am_rpc.NoAccess):
                await net.explain_remote("Open")


@pytest.mark.trio
async def test_a_relay_asks_its_own_source(serve: Any, network: Any) -> None:
    below = network()
    async with (
        serve(DoorStates, Handlers()) as pair,
        pair.connect(DoorStates) as middle,
        am_rpc.Mux(middle, listener=below.listener()),
        am_rpc.connect(below.dial) as leaf,
    ):
        await leaf.add("Paid")
        (line,) = await leaf.explain_remote("Paid")
        assert line.startswith("PaidEnter of Handlers voted against it")


@pytest.mark.trio
async def test_bad_questions_are_refused(serve: Any) -> None:
    async with serve(DoorStates) as pair, pair.connect(DoorStates) as net:
        with pytest.raises(am.UnknownStateError):
            await net.explain_remote("Nope")
        with pytest.raises(ValueError, match="toggle"):
            await net.explain_remote("Open", kind="toggle")
        with pytest.raises(am_rpc.InvalidParams):
            await net.client.call(Explain(3, (0,)))
    alone = am_rpc.NetworkMachine(None, DoorStates.schema(), remote_id="x", id="y")
    with pytest.raises(am_rpc.ReadOnlyMachine):
        await alone.explain_remote("Open")
