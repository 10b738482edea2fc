"""The engine replays every recorded case of `conformance/` and must show what was recorded."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import am_machine as am

Case = dict[str, Any]
FOLDER = Path(__file__).parent / "conformance"
MUTATIONS = ("add", "remove", "set", "toggle", "can_add", "can_remove", "add_err")


def load_cases() -> list[Case]:
    """Every case of every file; lines end with a newline only, whatever a message may hold."""
    return [
        json.loads(line)
        for path in sorted(FOLDER.glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").split("\n")
        if line
    ]


CASES = load_cases()


class Seen(am.Tracer):
    """Notes every transition that ends."""

    def __init__(self) -> None:
        super().__init__()
        self.ended: list[dict[str, Any]] = []

    def transition_end(self, transition: am.Transition) -> None:
        mutation = transition.mutation
        self.ended.append(
            {
                "type": mutation.kind,
                "called": list(transition.called),
                "auto": mutation.is_auto,
                "check": mutation.is_check,
                "accepted": transition.accepted,
                "before": list(transition.before),
                "target": list(transition.target),
            }
        )


# How a machine is listened to; none of it changes what happens, though the engine takes other ways.
WAYS = ("traced", "quiet", "journal", "everything", "steps")


def listen(machine: am.Machine, way: str) -> None:
    """Beside `Seen`, which "traced" and "steps" have."""
    match way:
        case "journal":
            machine.bind_tracer(am.Journal(rejected=True))
        case "everything":
            machine.log_traceback = False
            machine.log_level = am.LogLevel.EVERYTHING
        case "steps":
            machine.sem_log.steps = machine.sem_log.checks = True


def schema_of(case: Case) -> am.Schema:
    return am.compile_schema(
        {
            name: case["schema"].get(name, {"multi": True} if name == "Exception" else {})
            for name in case["states"]
        }
    )


class Replay:
    """A machine built from a case, and what its handlers did during one operation."""

    def __init__(self, case: Case, schema: am.Schema, tracers: list[am.Tracer], way: str) -> None:
        self.machine = am.Machine(
            schema,
            handler_timeout=0,
            queue_limit=case.get("queue_limit", 1000),
            tracers=tracers,
        )
        listen(self.machine, way)
        self.calls: list[str] = []
        self.nested: list[dict[str, Any]] = []
        self.counts: Counter[str] = Counter()
        self.waits: dict[str, am.Wait] = {}
        behaviours = case.get("handlers")
        if behaviours is not None:
            self.machine.bind(
                {name: self.handler(name, how) for name, how in behaviours.items()}, strict=False
            )

    def handler(self, name: str, behaviour: Any) -> Any:
        """A handler that behaves as scripted."""

        def handle(event: am.Event) -> bool | None:
            self.calls.append(name)
            self.counts[name] += 1
            what = behaviour
            if isinstance(what, dict):
                if self.counts[name] > what.get("max", 1):
                    return None
                script = what.get("mutate", [])
                for step in script if isinstance(script, list) else [script]:
                    result = self.mutate({**step, "op": step["type"]})
                    note: dict[str, Any] = {"handler": name, "result": str(result)}
                    if result.queued and result.queue_tick:
                        note["tick"] = result.queue_tick
                    self.nested.append(note)
                what = what.get("first") or what.get("then")
            if what == "panic":
                raise RuntimeError(f"boom {name}")
            return False if what == "reject" else None

        return handle

    def mutate(self, op: dict[str, Any]) -> am.Result:
        args = op.get("args") or {}
        if op["op"] == "add_err":
            error = RuntimeError(op["msg"])
            if "state" in op:
                return self.machine.add_err(op["state"], error, **args)
            return self.machine.add_err(error, **args)
        call = getattr(self.machine, op["op"])
        result: am.Result = call(*op.get("states", ()), **args)
        return result

    def subscribe(self, op: dict[str, Any]) -> str:
        machine, states = self.machine, op.get("states", ())
        match op["op"]:
            case "when_time":
                wait = machine.when_time(dict(zip(states, op["ticks"], strict=True)))
            case "when_ticks":
                wait = machine.when_ticks(states[0], op["n"])
            case "when_args":
                wait = machine.when_args(states[0], **op["args"])
            case kind:
                wait = getattr(machine, kind)(*states)
        if wait.done:
            return "closed"
        self.waits[op["sub"]] = wait
        return "pending"

    def run(self, op: dict[str, Any]) -> dict[str, Any]:
        """Do one operation and say what is seen after it."""
        self.calls.clear()
        self.nested.clear()
        if op["op"] in MUTATIONS:
            try:
                result = str(self.mutate(op))
            except am.UnknownStateError:
                result = "panic"
        else:
            result = self.subscribe(op)
        closed = [name for name, wait in self.waits.items() if wait.done]
        for name in closed:
            del self.waits[name]
        machine = self.machine
        return {
            "result": result,
            "active": list(machine.active),
            "ticks": list(machine.time()),
            "queue_tick": machine.queue_tick,
            "calls": list(self.calls),
            "nested": list(self.nested),
            "closed": closed,
            "is_err": machine.is_err,
            "err": machine.err and str(machine.err),
        }


def completed(expected: dict[str, Any]) -> dict[str, Any]:
    """A recorded result with what it leaves out filled in."""
    blank = {"calls": [], "nested": [], "tx": [], "closed": [], "is_err": False, "err": None}
    transitions = [{"auto": False, "check": False} | tx for tx in expected.get("tx", [])]
    return blank | expected | {"tx": transitions}


def comparable(result: dict[str, Any]) -> dict[str, Any]:
    """Without the order of auto calls, targets of refused transitions and the error's words."""
    transitions = [
        tx
        | {
            "called": sorted(tx["called"]) if tx["auto"] else tx["called"],
            "target": tx["target"] if tx["accepted"] else None,
        }
        for tx in result["tx"]
    ]
    return {key: value for key, value in result.items() if key != "err"} | {"tx": transitions}


def test_the_recorded_cases_are_all_there() -> None:
    themes = Counter(case["id"].split("/")[0] for case in CASES)
    assert themes.keys() == {
        "relations", "auto", "multi", "queue", "handlers", "errors", "subs", "random", "mixed",
    }  # fmt: skip
    assert len({case["id"] for case in CASES}) == len(CASES) == 814


@pytest.mark.usefixtures("log")
@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_engine_shows_what_was_recorded(case: Case) -> None:
    schema = schema_of(case)
    for way in WAYS:
        show(case, schema, way)


def show(case: Case, schema: am.Schema, way: str) -> None:
    # Alone, a journal and log lines are listened to on ways of their own.
    traced = way in ("traced", "steps")
    tracer = Seen()
    replay = Replay(case, schema, [tracer] if traced else [], way)
    for number, (op, expected) in enumerate(zip(case["ops"], case["expect"], strict=True)):
        tracer.ended.clear()
        wanted = completed(expected)
        # Without a tracer nobody sees the transitions.
        seen = replay.run(op) | {"tx": list(tracer.ended) if traced else wanted["tx"]}
        assert comparable(seen) == comparable(wanted), f"{way}, operation {number}: {op}"
        assert (seen["err"] is None) == (wanted["err"] is None), way
        assert (wanted["err"] or "") in (seen["err"] or ""), way
