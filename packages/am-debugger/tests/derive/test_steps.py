"""Steps and log lines that are worked out equal those of the engine."""

from __future__ import annotations

import logging
import random
from typing import Any

import pytest

import am_machine as am
from am_debugger._derive.log_lines import Line, lines_of, outer_lines
from am_debugger._derive.steps import Parser
from am_debugger._store.link import Link
from am_debugger._store.store import Store
from am_telemetry import dbg

from ..messages import mach, process, schema, tx
from ..recording import Recorder, engine_log

NAMES = "ABCDEFG"


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "am_machine")


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def recorder(store: Store) -> Recorder:
    return Recorder(Link(store, process()))


def random_schema(rng: random.Random) -> dict[str, Any]:
    """States with relations at random, but none that requires what it removes."""
    schema: dict[str, Any] = {}
    for name in NAMES:
        others = [other for other in NAMES if other != name]
        require = rng.sample(others, rng.choice([0, 0, 0, 1]))
        state = {
            "require": require,
            "add": rng.sample(others, rng.choice([0, 0, 1])),
            "remove": [o for o in rng.sample(others, rng.choice([0, 0, 1, 2])) if o not in require],
            "after": rng.sample(others, rng.choice([0, 0, 1])),
            "auto": rng.random() < 0.2,
            "multi": rng.random() < 0.15,
        }
        schema[name] = state
    return schema


def random_handlers(rng: random.Random) -> dict[str, Any]:
    """Handlers some of which vote against, and some of which raise, now and then."""

    def vote(event: am.Event) -> bool:
        return rng.random() > 0.15

    def final(event: am.Event) -> None:
        if rng.random() < 0.05:
            raise ValueError("no")

    found: dict[str, Any] = {}
    for name in rng.sample(NAMES, 4):
        found[f"{name}{rng.choice(['Enter', 'Exit'])}"] = vote
        found[f"{name}{rng.choice(['State', 'End'])}"] = final
    found[f"{rng.choice(NAMES)}{rng.choice(NAMES)}"] = vote
    return found


class Watch(am.Tracer):
    """What the engine says of each transition."""

    def __init__(self) -> None:
        self.seen: dict[str, am.Transition] = {}

    def transition_end(self, transition: am.Transition) -> None:
        # Its id exists once somebody asked for it; the journal tells the same one then.
        self.seen[transition.id] = transition


@pytest.mark.parametrize("seed", range(40))
def test_steps_equal_those_of_the_engine(store: Store, recorder: Recorder, seed: int) -> None:
    rng = random.Random(seed)
    machine = am.Machine(random_schema(rng), id="m", handlers=random_handlers(rng))
    machine.sem_log.steps = True
    watch = Watch()
    recorder.bind(machine)
    machine.bind_tracer(watch)
    for _ in range(60):
        states = rng.sample(NAMES, rng.choice([1, 1, 2]))
        getattr(machine, rng.choice(["add", "add", "remove", "set"]))(*states)
    recorder.flush()
    client, parser = store.get("m"), Parser(store)
    assert client is not None
    compared = 0
    for number in range(1, client.last + 1):
        parsed = parser.parse(client, number)
        engine = watch.seen.get(parsed.tx.id.hex())
        if engine is None:
            continue
        compared += 1
        assert [str(step) for step in parsed.steps] == [str(step) for step in engine.steps]
        before, after = engine.time_before, engine.time_after
        pairs = list(enumerate(zip(before, after, strict=True)))
        assert list(parsed.added) == [i for i, (a, b) in pairs if b % 2 and not a % 2]
        assert list(parsed.removed) == [i for i, (a, b) in pairs if a % 2 and not b % 2]
    assert compared == client.last >= 60


SCHEMA = {
    "Start": {},
    "Work": {"require": ["Start"], "remove": ["Idle"], "add": ["Busy"]},
    "Idle": {"auto": True, "require": ["Start"], "remove": ["Work"]},
    "Busy": {},
    "Slow": {"require": ["Work"]},
}


class Handlers:
    def BusyEnter(self, event: am.Event) -> bool:
        return not event.args.get("id")

    def SlowState(self, event: am.Event) -> None:
        raise ValueError("too slow")


def play(machine: am.Machine) -> None:
    machine.add("Start", id=7)
    machine.add("Work", name="a name that is rather long")
    machine.add("Slow")
    machine.remove("Start")
    machine.add("Slow", id=1)
    machine.set("Start")


def test_lines_are_in_the_words_of_the_engine(store: Store, recorder: Recorder) -> None:
    machine = am.Machine(SCHEMA, id="m", handlers=Handlers())
    recorder.bind(machine)
    with engine_log(machine, am.LogLevel.CHANGES) as engine:
        play(machine)
    recorder.flush()
    client, parser = store.get("m"), Parser(store)
    assert client is not None
    made = [
        [
            (line.level, line.text)
            for line in lines_of(client, parser.parse(client, number), am.LogLevel.CHANGES)
            if not line.text.startswith("[error]")
        ]
        for number in range(1, client.last + 1)
    ]
    assert made == [[line for line in lines if "error" not in line[1]] for lines in engine]
    assert any(made)


def test_finer_lines_are_those_of_the_engine_but_for_handlers(
    store: Store, recorder: Recorder
) -> None:
    machine = am.Machine(SCHEMA, id="m", handlers=Handlers())
    recorder.bind(machine)
    with engine_log(machine, am.LogLevel.DECISIONS) as engine:
        play(machine)
    recorder.flush()
    client, parser = store.get("m"), Parser(store)
    assert client is not None
    left_out = ("[handler", "[error", "[recover", "[auto]", "[prepend", "[postpone")
    for number, lines in zip(range(1, client.last + 1), engine, strict=True):
        made = lines_of(client, parser.parse(client, number), am.LogLevel.DECISIONS)
        expected = [line for line in lines if not line[1].startswith(left_out)]
        found = [(line.level, line.text) for line in made if not line.text.startswith("[error")]
        assert sorted(found) == sorted(expected)
    texts = [line.text for line in made]
    assert texts[0].startswith("[")


def test_lines_that_were_sent_are_shown_as_sent(store: Store) -> None:
    link = Link(store, process())
    of = schema(("A", "Exception"))
    link.schema(of)
    client = link.machine(mach(1, "m", of))
    log = ((1, "hello"), (2, "[state] +A"), (3, "[add] A"))
    link.transition(1, tx(time=50, args={"id": 5}, log=log))
    link.log(dbg.Log(1, 60, 1, "afterwards"))
    parsed = Parser(store).parse(client, 1)
    texts = [line.text for line in lines_of(client, parsed, am.LogLevel.CHANGES)]
    assert texts == ["hello", "[state] +A"]
    assert lines_of(client, parsed, 0) == []
    assert outer_lines(client, 1, 2) == [Line(1, "afterwards", 1, True, 60)]


def test_at_level_one_a_canceled_transition_says_who_was_against_it(
    store: Store, recorder: Recorder
) -> None:
    machine = am.Machine(SCHEMA, id="m", handlers=Handlers())
    recorder.bind(machine)
    machine.add("Start")
    machine.add("Work", id=5)
    recorder.flush()
    client = store.get("m")
    assert client is not None
    number = next(n for n in range(1, client.last + 1) if not store.tx(client, n).is_accepted)
    lines = lines_of(client, Parser(store).parse(client, number), am.LogLevel.OPS)
    assert "[add] Work (id=5)" in [line.text for line in lines]
    assert any(line.text.startswith("[cancel] (") for line in lines)
    assert any(line.text.endswith("by BusyEnter") for line in lines)
