"""Random machines and mutations: spans tell the truth, and both levels tell the same story."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import am_machine as am
from am_telemetry._traces.transitions import RECENT

from ..sizes import TIMES
from .conftest import Spans, story

NAMES = ["A", "B", "C", "D", "ErrX"]
RELATIONS = ["require", "add", "remove", "after"]


@st.composite
def schemas(draw: st.DrawFn) -> am.Schema:
    while True:
        states: dict[str, Any] = {}
        for name in NAMES:
            one: dict[str, Any] = {"auto": draw(st.booleans()), "multi": draw(st.booleans())}
            others = st.lists(st.sampled_from([n for n in NAMES if n != name]), max_size=2)
            for relation in RELATIONS:
                one[relation] = draw(others)
            one["remove"] = [n for n in one["remove"] if n not in one["require"]]
            states[name] = one
        try:
            return am.Schema(states)
        except am.SchemaError:  # pragma: no cover - draw again
            continue


MUTATIONS = st.lists(
    st.tuples(
        st.sampled_from(["add", "remove", "set", "toggle", "add_err", "can_add", "child"]),
        st.lists(st.sampled_from([*NAMES, "Exception"]), min_size=1, max_size=3),
    ),
    max_size=12,
)
# Handler -> what it does: reject, raise, mutate its own or the other machine.
HANDLERS = st.dictionaries(
    st.sampled_from(
        [f"{name}{suffix}" for name in NAMES for suffix in ("Enter", "Exit", "State", "End")]
    ),
    st.tuples(st.sampled_from(["reject", "raise", "own", "other", "pass"]), st.sampled_from(NAMES)),
    max_size=6,
)


class World:
    """Two machines that mutate each other, the second under the first, and their children."""

    def __init__(self, schema: am.Schema, handlers: dict[str, tuple[str, str]]) -> None:
        self.first = am.Machine(schema, id="first", queue_rounds=30)
        self.second = am.Machine(schema, id="second", parent=self.first, queue_rounds=30)
        self.machines = [self.first, self.second]
        for mach, other in ((self.first, self.second), (self.second, self.first)):
            mach.log_traceback = False
            if handlers:
                mach.bind({name: self._handler(*what, other) for name, what in handlers.items()})

    def _handler(self, what: str, state: str, other: am.Machine) -> Any:
        def handle(event: am.Event) -> bool | None:
            if what == "reject" and event.name.endswith(("Enter", "Exit")):
                return False
            if what == "raise":
                raise LookupError(state)
            if what in ("own", "other"):
                (event.machine if what == "own" else other).toggle(state)
            return None

        return handle

    def do(self, kind: str, states: list[str], at: int) -> None:
        mach = self.machines[at % 2]
        try:
            if kind == "child":
                self.machines.append(am.Machine({"A": {}}, id=f"child{at}", parent=mach))
                self.machines[-1].add("A")
            elif kind == "add_err":
                mach.add_err("ErrX", OSError("told"))
            else:
                getattr(mach, kind)(*states, **({"id": at} if kind == "add" else {}))
        except am.QueueLoopError:
            pass


@settings(max_examples=40 * TIMES, deadline=None)
@given(schemas(), HANDLERS, MUTATIONS, st.integers(0, 6))
def test_open_state_spans_are_the_active_states_and_both_levels_tell_the_same(
    schema: am.Schema,
    handlers: dict[str, tuple[str, str]],
    mutations: list[tuple[str, list[str]]],
    bound_at: int,
) -> None:
    world = World(schema, handlers)
    journal, nested = Spans(), Spans()
    for i, (kind, states) in enumerate([*mutations, ("can_add", ["A"])]):
        if i == min(bound_at, len(mutations)):
            journal.open(transitions=True, args=True).bind(world.first)
            nested.open(transitions=True, args=True, nested=True).bind(world.first)
        world.do(kind, states, i)
    journal.sync()
    for level in (journal, nested):
        opened = sorted([n for n in level.open_names() if ": [" not in n])
        index = {s.attributes["am.machine.id"]: s.name.split(":")[1] for s in level.started
                 if s.name.startswith("mach:")}  # fmt: skip
        active = sorted([f"{index[m.id]}:{name}" for m in world.machines for name in m.active])
        assert opened == active
    for opened_tracer in journal.opened:
        opened_tracer._consumer.tick(1e12)
    # Beyond, which causes are still known depends on the order in which they are told.
    if max(m.queue_tick for m in world.machines) < RECENT // 3:
        assert story(journal) == story(nested)
    for level in (journal, nested):
        level.opened[0].close()
        assert level.open_names() == []
