"""Steps rebuilt on the debugger's side are those of the engine's semantic log.

They are not sent: they follow from kind, called states, clock, schema, handlers, and who voted
against or failed. Tried on the recorded cases of the engine, and on random machines with vetoes,
failures and auto mutations that come through in part.
"""

from __future__ import annotations

import json
import logging
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import am_machine as am
from am_telemetry.dbg import DbgExporter
from am_telemetry.testing import Receiver

FOLDER = Path(__file__).parent.parent / "packages" / "am-machine" / "tests" / "conformance"
MUTATIONS = ("add", "remove", "set", "toggle", "can_add", "can_remove")
BATCH = 50  # machines between two waits for the receiver
CASES = [
    json.loads(line)
    for path in sorted(FOLDER.glob("*.jsonl"))
    for line in path.read_text(encoding="utf-8").split("\n")
    if line
]


class Steps(am.Tracer):
    """What the engine tells of each transition."""

    def __init__(self, *, whole: bool) -> None:
        self.whole = whole
        self.called = 0
        self.seen: list[tuple[str, list[str]]] = []

    def handler_start(self, transition: am.Transition, binding: am.Binding, name: str) -> None:
        self.called += 1

    def transition_end(self, transition: am.Transition) -> None:
        # A journal has neither checks nor auto mutations that relations let nothing through of.
        fruitless = transition.auto and not transition.accepted and not self.called
        self.called = 0
        if self.whole or not (transition.is_check or fruitless):
            self.seen.append((transition.id, [str(step) for step in transition.steps]))


def watched(machine: am.Machine, *, whole: bool) -> Steps:
    machine.log_traceback = False
    machine.sem_log.steps = True
    machine.sem_log.checks = whole
    steps = Steps(whole=whole)
    machine.bind_tracer(steps)
    return steps


def played(case: dict[str, Any]) -> am.Machine:
    """A machine of a recorded case, its handlers scripted."""
    schema = {
        name: case["schema"].get(name, {"multi": True} if name == "Exception" else {})
        for name in case["states"]
    }
    machine = am.Machine(
        schema, id=case["id"], handler_timeout=0, queue_limit=case.get("queue_limit", 1000)
    )
    counts: Counter[str] = Counter()

    def handler(name: str, behaviour: Any) -> Any:
        def handle(event: am.Event) -> bool | None:
            counts[name] += 1
            what = behaviour
            if isinstance(what, dict):
                if counts[name] > what.get("max", 1):
                    return None
                script = what.get("mutate", [])
                for step in script if isinstance(script, list) else [script]:
                    mutate(machine, {**step, "op": step["type"]})
                what = what.get("first") or what.get("then")
            if what == "panic":
                raise RuntimeError(f"boom {name}")
            return False if what == "reject" else None

        return handle

    behaviours = case.get("handlers")
    if behaviours is not None:
        found = {name: handler(name, how) for name, how in behaviours.items()}
        machine.bind(found, strict=False)
    return machine


def mutate(machine: am.Machine, op: dict[str, Any]) -> None:
    args = op.get("args") or {}
    try:
        if op["op"] == "add_err":
            names = [op["state"]] if "state" in op else []
            machine.add_err(*names, RuntimeError(op["msg"]), **args)
        elif op["op"] in MUTATIONS:
            getattr(machine, op["op"])(*op.get("states", ()), **args)
    except am.UnknownStateError:
        return


def compare(receiver: Receiver, told: dict[str, Steps]) -> int:
    """See that all was received; returns how many transitions were compared."""
    count = 0
    for machine_id, steps in told.items():
        seen = receiver.machine(machine_id)
        found = [(tx.id, [str(step) for step in tx.steps]) for tx in seen.txs]
        assert found == steps.seen, machine_id
        count += len(found)
    return count


@pytest.fixture(autouse=True)
def calm() -> None:
    logging.getLogger("am_machine").addHandler(logging.NullHandler())


@pytest.mark.parametrize("detail", [1, 2])
def test_steps_of_all_recorded_cases_are_rebuilt_exactly(
    detail: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "am_machine")
    count = 0
    with Receiver() as receiver, DbgExporter(receiver.address, detail=detail) as dbg:
        for at in range(0, len(CASES), BATCH):
            told, kept = {}, []
            for case in CASES[at : at + BATCH]:
                machine = played(case)
                kept.append(machine)
                told[case["id"]] = watched(machine, whole=detail == 2)
                dbg.bind(machine)
                for op in case["ops"]:
                    mutate(machine, op)
            assert dbg.flush(20)
            count += compare(receiver, told)
        assert receiver.errors == []
        assert dbg.stats.dropped == 0
    assert count > 3000


def random_machine(random_: random.Random, name: str) -> am.Machine:
    names = ["A", "B", "C", "D", "E", "F"][: random_.randint(3, 6)]

    def some(chance: float) -> list[str]:
        return [other for other in names if random_.random() < chance]

    schema: dict[str, dict[str, Any]] = {}
    for state in names:
        require = [other for other in some(0.15) if other != state]
        schema[state] = {
            "auto": random_.random() < 0.35,
            "multi": random_.random() < 0.2,
            "require": require,
            "add": some(0.15),
            "remove": [other for other in some(0.2) if other not in require],
            "after": some(0.1),
        }
    machine = am.Machine(schema, id=name, queue_rounds=50)

    def handler(role: str) -> Any:
        def handle(event: am.Event) -> bool | None:
            chance = random_.random()
            if chance < 0.08:
                raise ValueError("mine")
            if chance < 0.2 and not event.is_check:
                event.machine.add(random_.choice(names))
            is_vote = role in ("Enter", "Exit")
            return random_.random() > 0.25 if is_vote else None

        return handle

    roles = ("Enter", "Exit", "State", "End")
    bound = [(state, role) for state in names for role in roles if random_.random() < 0.35]
    if bound:
        machine.bind({f"{state}{role}": handler(role) for state, role in bound})
    return machine


def test_steps_of_random_machines_are_rebuilt_exactly(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "am_machine")
    count = 0
    with Receiver() as receiver, DbgExporter(receiver.address, detail=2) as dbg:
        for start in range(0, 300, BATCH):
            told, kept = {}, []
            for seed in range(start, start + BATCH):
                random_ = random.Random(seed)
                machine = random_machine(random_, f"m{seed}")
                kept.append(machine)
                told[machine.id] = watched(machine, whole=True)
                dbg.bind(machine)
                names = machine.schema.names
                for _ in range(20):
                    call = random_.choice(["add", "add", "remove", "set", "toggle", "can_add"])
                    getattr(machine, call)(*random_.sample(names, random_.randint(1, 2)))
            assert dbg.flush(20)
            count += compare(receiver, told)
        assert receiver.errors == []
    assert count > 3000
