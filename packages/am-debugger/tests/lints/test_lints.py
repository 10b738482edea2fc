"""Rules over machines that come, change and go: in small steps, silenced, over what is dropped."""

from __future__ import annotations

from typing import Any

import pytest

import am_machine as am
from am_debugger._derive.lints import flapping
from am_debugger._derive.lints.lints import Lints, lint
from am_debugger._derive.lints.page import finding_lines, findings_page
from am_debugger._store.layout import Sizes
from am_debugger._store.link import Link
from am_debugger._store.store import Store

from ..exporter import Exporter
from ..messages import process
from .held_out import HELD_OUT
from .runs import Program, Recording
from .tuned import TUNED


class Watched(Recording):
    """What comes is looked at as it comes."""

    def __init__(self) -> None:
        super().__init__()
        self.lints = Lints(self.store)

    def flush(self) -> None:
        super().flush()
        for _ in self.lints.look():
            pass


PLANTED = [one for corpus in (TUNED, HELD_OUT) for one in corpus.programs if one.rule]


@pytest.mark.parametrize("program", PLANTED, ids=lambda program: program.name)
def test_what_is_looked_at_as_it_comes_is_found_as_in_the_whole(program: Program) -> None:
    recording = Watched()
    program.play(recording)
    store = recording.end()
    for _ in recording.lints.look():
        pass
    assert recording.lints.findings() == lint(store)
    assert recording.lints.findings() != []


def door(*, machine_tags: tuple[str, ...] = (), tags: tuple[str, ...] = ()) -> Store:
    """A door that is tried in vain."""
    recording = Recording()
    states = {"Locked": {"remove": ["Open"]}, "Open": am.State(tags=tags)}
    machine = recording.machine(states, "door", tags=machine_tags)
    machine.add("Locked")
    for _ in range(12):
        machine.add("Open")
    return recording.end()


def test_a_finding_says_what_where_why_and_how_to_silence_it() -> None:
    store = door()
    (found,) = lint(store)
    client = store.get("door")
    assert client is not None
    lines = list(finding_lines(found))
    ident = client.columns.id_of(13).hex()
    assert lines == [
        f"refused: door: add Open was refused 12 times running mach://door/{ident}?state=Open",
        "  Open was dropped: it is removed by Locked",
        "  if that is wanted, give the state Open, or the machine door, the tag dbg:quiet",
    ]
    head, *below = findings_page([found])
    assert head.jump == (client, 13)
    assert head.about == "Open"
    assert len(below) == 2


def test_nothing_is_said_of_what_is_tagged_as_quiet() -> None:
    assert lint(door(machine_tags=("dbg:quiet",))) == []
    assert lint(door(tags=("dbg:quiet",))) == []
    assert len(lint(door(tags=("loud",)))) == 1


def test_a_call_that_is_accepted_at_last_is_forgiven() -> None:
    recording = Watched()
    machine = recording.machine({"Locked": {"remove": ["Open"]}, "Open": {}}, "door")
    machine.add("Locked")
    for _ in range(12):
        machine.add("Open")
    recording.flush()
    assert [one.rule for one in recording.lints.findings()] == ["refused"]
    before = recording.lints.revision
    machine.remove("Locked")
    machine.add("Open")
    recording.flush()
    assert recording.lints.findings() == []
    assert recording.lints.revision > before


def test_transitions_that_are_dropped_before_they_were_looked_at_are_passed_over() -> None:
    store = Store(sizes=Sizes(8, 4))
    exporter = Exporter(Link(store, process()), "m")
    lints = Lints(store)
    (client,) = store
    for k in range(40):
        exporter.do([2], {}, time=k, flags=0)
        if k == 20:
            for _ in lints.look():
                pass
    client.drop_chunks(1)
    client.drop_chunks(1)
    for _ in lints.look():
        pass
    (found,) = lints.of(client)
    assert found.number == 40
    assert "40 times" in found.what
    while len(client.columns) > 8:
        client.drop_chunks(1)
    assert lints.of(client) == (found,)
    for _ in lints.look():
        pass
    late = Lints(store)
    for _ in late.look():
        pass
    assert all([client.first <= one.number <= client.last for one in late.findings()])


def busy() -> Store:
    """Many states that come and go quickly; then one is tried in vain."""
    store = Store()
    exporter = Exporter(Link(store, process()), "m")
    for k in range(2000):
        exporter.do([k % 6], dict.fromkeys(range(6), 1), time=1000 * k)
    for k in range(40):
        exporter.do([2], {}, time=2_000_000 + k, flags=0)
    return store


def test_others_have_their_turn_between_two_bursts_that_are_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, judged = busy(), 0
    whole = flapping._judge

    def counted(*args: Any, **options: Any) -> str | None:
        nonlocal judged
        judged += 1
        return whole(*args, **options)

    monkeypatch.setattr(flapping, "_judge", counted)
    lints, most, before = Lints(store), 0, 0
    for _ in lints.look():
        most, before = max(most, judged - before), judged
    assert judged > 4
    assert most == 1


def test_what_was_looked_at_in_part_only_is_looked_at_again() -> None:
    store = busy()
    for count in (1, 4, 9):
        lints = Lints(store)
        looking = lints.look()
        for _ in range(count):
            next(looking)
        del looking
        for _ in lints.look():
            pass
        assert lints.findings() == lint(store) != []


def test_a_machine_that_is_removed_is_forgotten() -> None:
    store = door()
    lints = Lints(store)
    for _ in lints.look():
        pass
    (client,) = store
    assert lints.of(client)
    store.remove(client)
    for _ in lints.look():
        pass
    assert lints.findings() == []
    assert lints.of(client) == ()


def test_what_lasts_grows_old_by_the_clock_where_a_machine_is_connected() -> None:
    store = Store()
    recording = Recording()
    recording.store = store
    recording.link = Link(store, process())
    machine = recording.machine(
        {"Start": {}, "Link": {}, "Ready": {"auto": True, "require": ["Start", "Link"]}}, "server"
    )
    machine.add("Start")
    recording.flush()
    lints = Lints(store)

    def found(now: int) -> list[str]:
        for _ in lints.look(now):
            pass
        return [one.rule for one in lints.findings()]

    assert found(recording.now) == []
    assert found(recording.now + 50_000_000) == []
    assert found(recording.now + 70_000_000) == ["blocked-auto"]
    recording.link.close()
    assert found(recording.now + 90_000_000) == []
