"""The tree of spans, its links, events and attributes, read through a real SDK."""

import threading
from typing import Any

import pytest
import trio
from opentelemetry import trace
from opentelemetry.trace import StatusCode

import am_machine as am
from am_telemetry._hub import Hub
from am_telemetry._traces import TraceTracer
from am_telemetry._traces.transitions import MOST_GONE

from .conftest import Spans

LEVELS = pytest.mark.parametrize("nested", [False, True], ids=["journal", "nested"])
STATES = {
    "Foo": {},
    "Bar": {"require": ["Foo"]},
    "Multi": {"multi": True},
    "Auto": {"auto": True, "require": ["Bar"]},
    "Healthcheck": {"multi": True},
}


def machine(name: str = "m", handlers: object = None, **options: Any) -> am.Machine:
    made = am.Machine(STATES, id=name, handlers=handlers, **options)
    made.log_traceback = False
    return made


@LEVELS
def test_the_tree_has_machines_groups_and_one_span_for_each_activation(
    spans: Spans, nested: bool
) -> None:
    m = machine("worker")
    spans.open(nested=nested).bind(m)
    m.add("Foo")
    m.remove("Foo")
    m.add("Foo")
    sub = am.Machine({"A": {}}, id="worker-sub", parent=m)
    sub.add("A")
    m.add("Multi")
    assert spans.tree() == [
        "root",
        "  mach:0:worker",
        "    0:states",
        "      0:Foo",
        "        0:Foo +",
        "        0:Foo",
        "        0:Foo +",
        "        0:Foo",
        "      0:Multi [M]",
        "        0:Multi +",
        "        0:Multi",
        "    0:submachines",
        "      mach:1:worker-sub",
        "        1:states",
        "          1:A",
        "            1:A +",
        "            1:A",
    ]
    assert spans.open_names() == ["0:Foo", "1:A", "0:Multi"]


@LEVELS
def test_groups_and_marks_end_at_once_and_states_when_they_are_left(
    spans: Spans, nested: bool
) -> None:
    m = machine(tags=["a", "b"])
    spans.open(nested=nested).bind(m)
    m.add("Foo")
    first = spans.named("0:Foo")
    assert [span.name for span in spans.all()] == [
        "root", "mach:0:m", "0:states", "0:Foo", "0:Foo +",
    ]  # fmt: skip
    assert all(span.start_time == span.end_time for span in spans.all())
    m.remove("Foo")
    (state,) = [span for span in spans.named("0:Foo") if span not in first]
    mark = spans.one("0:Foo +")
    assert state.start_time == mark.start_time
    assert state.end_time >= state.start_time
    assert dict(state.attributes) == dict(mark.attributes)
    attributes = dict(spans.one("mach:0:m").attributes)
    assert attributes == {"am.machine.id": "m", "am.machine.tags": ("a", "b")}


@LEVELS
def test_a_state_span_names_the_transition_that_began_it(spans: Spans, nested: bool) -> None:
    m = machine()
    spans.open(transitions=True, nested=nested).bind(m)
    m.add("Foo")
    m.remove("Foo")
    began = spans.one("0: [add] Foo")
    state = spans.named("0:Foo")[-1]
    assert state.attributes["am.tx.id"] == began.attributes["am.tx.id"]
    ended = spans.one("0: [remove] Foo")
    for transition in (began, ended):
        assert [link.context.span_id for link in transition.links] == [state.context.span_id]


@LEVELS
def test_transitions_tell_what_they_were(spans: Spans, nested: bool) -> None:
    class Voting:
        def BarEnter(self, event: am.Event) -> bool:
            return bool(event.mutation.args.get("ok"))

    m = machine(handlers=Voting())
    spans.open(transitions=True, nested=nested).bind(m)
    m.add("Foo", "Multi")
    m.add("Bar")
    m.set("Bar", "Foo", ok=True)
    told = [
        (s.name, {k: v for k, v in s.attributes.items() if k != "am.tx.id"})
        for s in spans.all()
        if "am.tx.mutation" in s.attributes
    ]
    assert told == [
        (
            "0: [add] Foo Multi",
            {
                "am.tx.mutation": "add", "am.tx.auto": False, "am.tx.accepted": True,
                "am.tx.time_before": 0, "am.tx.time_after": 2, "am.tx.states_diff": "+Foo +Multi",
                "am.tx.queue_tick": 2,
            },
        ),
        (
            "0: [add] Bar",
            {
                "am.tx.mutation": "add", "am.tx.auto": False, "am.tx.accepted": False,
                "am.tx.time_before": 2, "am.tx.time_after": 2, "am.tx.states_diff": "",
                "am.tx.queue_tick": 3,
            },
        ),
        (
            "0: [set] Bar Foo",
            {
                "am.tx.mutation": "set", "am.tx.auto": False, "am.tx.accepted": True,
                "am.tx.time_before": 2, "am.tx.time_after": 4, "am.tx.states_diff": "+Bar -Multi",
                "am.tx.queue_tick": 4,
            },
        ),
        (
            "0: [add:auto] Auto",
            {
                "am.tx.mutation": "add", "am.tx.auto": True, "am.tx.accepted": True,
                "am.tx.time_before": 4, "am.tx.time_after": 5, "am.tx.states_diff": "+Auto",
                "am.tx.queue_tick": 4,
            },
        ),
    ]  # fmt: skip
    canceled = spans.one("0: [add] Bar")
    assert canceled.status.status_code is StatusCode.UNSET


@LEVELS
def test_checks_are_not_traced(spans: Spans, nested: bool) -> None:
    m = machine()
    spans.open(transitions=True, nested=nested).bind(m)
    m.can_add("Foo")
    assert spans.tree() == ["root", "  mach:0:m"]


@LEVELS
def test_a_state_entered_again_adds_an_event_to_its_span(spans: Spans, nested: bool) -> None:
    m = machine()
    spans.open(nested=nested).bind(m)
    m.add("Multi")
    m.add("Multi", "Foo")
    m.remove("Multi")
    (state,) = [span for span in spans.named("0:Multi") if span.events]
    assert [event.name for event in state.events] == ["[add] Multi Foo"]
    assert state.start_time <= state.events[0].timestamp <= state.end_time


@LEVELS
def test_a_failed_final_handler_ends_the_spans_of_what_became_inactive(
    spans: Spans, nested: bool
) -> None:
    class Failing:
        def BarState(self, event: am.Event) -> None:
            raise LookupError("gone")

    m = machine(handlers=Failing())
    spans.open(transitions=True, nested=nested).bind(m)
    m.add("Foo", "Bar")
    assert m.active == ("Foo", "Exception")
    assert spans.open_names() == ["0:Foo", "0:Exception"]
    failed = spans.one("0: [add] Foo Bar")
    assert failed.attributes["am.tx.accepted"] is False
    assert failed.attributes["am.tx.states_diff"] == "+Foo -Bar"
    error = spans.one("!0: [add] Exception")
    assert error.status.status_code is StatusCode.ERROR
    assert error.status.description == "gone"
    assert error.attributes["error.type"] == "LookupError"
    (event,) = [event for event in error.events if event.name == "exception"]
    assert event.attributes["exception.type"] == "LookupError"
    assert event.attributes["exception.message"] == "gone"
    # The error came from the failed transition.
    linked = [link.context.span_id for link in error.links]
    assert failed.context.span_id in linked


@LEVELS
def test_a_transition_links_to_its_cause_on_another_machine(spans: Spans, nested: bool) -> None:
    other = machine("other")

    class Calling:
        def FooState(self, event: am.Event) -> None:
            other.add("Foo")

    m = machine(handlers=Calling())
    tracer = spans.open(transitions=True, nested=nested)
    tracer.bind(m)
    tracer.bind(other)
    m.add("Foo")
    cause, effect = spans.one("0: [add] Foo"), spans.one("1: [add] Foo")
    assert cause.context.span_id in [link.context.span_id for link in effect.links]
    assert "am.tx.source" not in effect.attributes


@LEVELS
def test_a_cause_that_has_no_span_here_is_an_attribute(spans: Spans, nested: bool) -> None:
    m = machine()
    spans.open(transitions=True, nested=nested).bind(m)
    with am.use_source(am.Source("far", "0123456789abcdef", 7)):
        m.add("Foo")
    assert spans.one("0: [add] Foo").attributes["am.tx.source"] == "far/0123456789abcdef/7"


def test_a_cause_that_is_never_told_is_an_attribute_after_a_second(spans: Spans) -> None:
    m, known = machine(), machine("known")
    tracer = spans.open(transitions=True)
    tracer.bind(m)
    tracer.bind(known)
    with am.use_source(am.Source("known", "0123456789abcdef", known.time().sum)):
        m.add("Foo")
    assert spans.open_names() == ["0:Foo", "0: [add] Foo"]
    spans.sync()
    tracer._consumer.tick(1e12)
    assert spans.one("0: [add] Foo").attributes["am.tx.source"] == "known/0123456789abcdef/0"


@LEVELS
def test_only_the_last_300_transitions_of_a_machine_are_linked_to(
    spans: Spans, nested: bool
) -> None:
    m, other = machine(), machine("other")
    causes: list[am.Source] = []

    class Keeping:
        def FooState(self, event: am.Event) -> None:
            source = am.current_source()
            assert source is not None
            causes.append(source)

    m.bind(Keeping())
    tracer = spans.open(transitions=True, nested=nested)
    tracer.bind(m)
    tracer.bind(other)
    m.add("Foo")
    for _ in range(299):
        m.add("Multi")
    with am.use_source(causes[0]):
        other.add("Foo")
    spans.sync()
    m.add("Multi")
    spans.sync()
    with am.use_source(causes[0]):
        other.add("Bar")
    cause = spans.one("0: [add] Foo")
    near, far = spans.one("1: [add] Foo"), spans.one("1: [add] Bar")
    assert cause.context.span_id in [link.context.span_id for link in near.links]
    assert cause.context.span_id not in [link.context.span_id for link in far.links]
    assert far.attributes["am.tx.source"] == str(causes[0])


@LEVELS
def test_only_logged_arguments_become_attributes(spans: Spans, nested: bool) -> None:
    m = machine()
    spans.open(transitions=True, args=True, nested=nested).bind(m)
    m.add("Foo", id=4, name="x" * 300, secret="s", port=None)
    attributes = spans.one("0: [add] Foo").attributes
    args = {key: value for key, value in attributes.items() if key.startswith("am.args.")}
    assert args == {"am.args.id": 4, "am.args.name": "x" * 256, "am.args.port": "None"}


@LEVELS
def test_without_args_no_argument_becomes_an_attribute(spans: Spans, nested: bool) -> None:
    m = machine()
    spans.open(transitions=True, nested=nested).bind(m)
    m.add("Foo", id=4)
    assert not [key for key in spans.one("0: [add] Foo").attributes if "args" in key]


@LEVELS
def test_auto_transitions_may_be_left_out(spans: Spans, nested: bool) -> None:
    m = machine()
    spans.open(transitions=True, auto=False, nested=nested).bind(m)
    m.add("Foo", "Bar")
    assert spans.named("0: [add:auto] Auto") == []
    assert spans.open_names() == ["0:Foo", "0:Bar", "0:Auto"]


@LEVELS
@pytest.mark.parametrize("include", [False, True])
def test_health_pings_are_left_out_unless_asked_for(
    spans: Spans, nested: bool, include: bool
) -> None:
    m = machine()
    spans.open(transitions=True, include_health=include, nested=nested).bind(m)
    m.add("Healthcheck")
    m.add("Healthcheck", "Foo")
    names = {span.name for span in spans.all()}
    assert ("0: [add] Healthcheck" in names) is include
    assert ("0:Healthcheck +" in names) is include
    assert "0: [add] Healthcheck Foo" in names


@LEVELS
@pytest.mark.parametrize(
    ("options", "traced"),
    [
        ({"allow": ["Foo"]}, {"0:Foo", "1:Foo"}),
        ({"allow": ["m:Foo", "Bar"]}, {"0:Foo", "0:Bar", "1:Bar"}),
        ({"skip": ["Foo"]}, {"0:Bar", "1:Bar"}),
        ({"allow": ["Foo"], "skip": ["sub:Foo"]}, {"0:Foo"}),
        ({"allow_re": "^m:"}, {"0:Foo", "0:Bar"}),
        ({"allow_re": "Foo|Bar", "skip_re": "m:Foo"}, {"0:Bar", "1:Foo", "1:Bar"}),
    ],
)
def test_states_are_chosen_by_lists_and_regexps(
    spans: Spans, nested: bool, options: dict[str, Any], traced: set[str]
) -> None:
    m = am.Machine({"Foo": {}, "Bar": {}}, id="m")
    sub = am.Machine({"Foo": {}, "Bar": {}}, id="sub", parent=m)
    spans.open(transitions=True, nested=nested, **options).bind(m)
    for one in (m, sub):
        one.add("Foo")
        one.add("Bar")
    assert set(spans.open_names()) == traced
    told = {span.name for span in spans.all() if "am.tx.mutation" in span.attributes}
    assert told == {name.replace(":", ": [add] ") for name in traced}


@LEVELS
def test_a_skip_regexp_that_matches_a_machine_leaves_it_out_whole(
    spans: Spans, nested: bool
) -> None:
    m = machine()
    spans.open(skip_re="^rpc-", nested=nested).bind(m)
    out = am.Machine({"A": {}}, id="rpc-1", parent=m)
    below = am.Machine({"A": {}}, id="below", parent=out)
    out.add("A")
    below.add("A")
    assert "rpc-1" not in "\n".join(spans.tree())
    assert "      mach:1:below" in spans.tree()


def test_a_regexp_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="no regexp"):
        TraceTracer(skip_re="(")


@LEVELS
def test_states_active_at_the_binding_are_open(spans: Spans, nested: bool) -> None:
    m = machine()
    m.add("Foo")
    spans.open(nested=nested).bind(m)
    assert spans.open_names() == ["0:Foo"]
    m.remove("Foo")
    assert spans.open_names() == []


@LEVELS
def test_binding_in_a_handler_tells_of_the_transition_that_runs(spans: Spans, nested: bool) -> None:
    tracer = spans.open(nested=nested)

    class Binding:
        def BarState(self, event: am.Event) -> None:
            tracer.bind(event.machine)

    m = machine(handlers=Binding())
    m.add("Foo")
    m.add("Bar")
    assert spans.open_names() == ["0:Foo", "0:Bar", "0:Auto"]


@LEVELS
def test_disposing_ends_all_spans_submachines_first(spans: Spans, nested: bool) -> None:
    m = machine()
    spans.open(nested=nested).bind(m)
    subs = [am.Machine({"A": {}}, id=f"sub{i}", parent=m) for i in range(2)]
    m.add("Foo")
    for sub in subs:
        sub.add("A")
    m.dispose()
    assert spans.open_names() == []
    ended = [span.name for span in spans.all() if span.end_time != span.start_time]
    assert ended == ["2:A", "1:A", "0:Foo"]


@LEVELS
def test_closing_ends_all_spans_in_reverse_order_of_arrival_and_flushes(
    spans: Spans, nested: bool
) -> None:
    flushed: list[int] = []
    spans.provider._active_span_processor.force_flush = flushed.append  # type: ignore[method-assign]
    machines = [machine(f"m{i}") for i in range(3)]
    with spans.open(nested=nested) as tracer:
        for m in machines:
            tracer.bind(m)
            m.add("Foo")
    order = [s.name for s in spans.all() if s.name.endswith(":Foo") and s.end_time != s.start_time]
    assert order == ["2:Foo", "1:Foo", "0:Foo"]
    assert flushed == [5000]
    machines[0].add("Bar")
    assert spans.open_names() == []
    tracer.close()


@LEVELS
def test_after_detaching_nothing_is_told_and_nothing_is_bound(spans: Spans, nested: bool) -> None:
    m = machine()
    handle = spans.open(nested=nested).bind(m)
    m.add("Foo")
    handle.detach()
    spans.sync()
    assert spans.open_names() == []
    m.add("Bar")
    m.add("Multi")
    assert spans.named("0:Bar +") == []
    assert [type(t).__name__ for t in m.tracers] == ["HubTracer"]


@LEVELS
def test_a_root_may_be_given(spans: Spans, nested: bool) -> None:
    with spans.tracer.start_as_current_span("mine") as mine:
        spans.open(root=mine, nested=nested).bind(machine())
    assert spans.tree() == ["mine", "  mach:0:m"]


@LEVELS
def test_spans_of_the_program_around_do_not_become_parents(spans: Spans, nested: bool) -> None:
    m = machine()
    tracer = spans.open(nested=nested)
    with spans.tracer.start_as_current_span("mine"):
        tracer.bind(m)
        m.add("Foo")
    assert spans.tree()[:2] == ["mine", "root"]


@pytest.mark.trio
async def test_spans_of_a_state_and_its_tasks_stand_under_its_span(spans: Spans) -> None:
    done = trio.Event()

    class Working:
        def BarState(self, event: am.Event) -> None:
            with spans.tracer.start_as_current_span("in handler"):
                pass

        async def FooState(self, event: am.Event) -> None:
            with spans.tracer.start_as_current_span("in task"):
                await trio.lowlevel.checkpoint()
            done.set()

    m = machine(handlers=Working())
    spans.open(nested=True).bind(m)
    async with m:
        m.add("Foo")
        m.add("Bar")
        await done.wait()
    for inner, outer in (("in handler", "0:Bar"), ("in task", "0:Foo")):
        parent = spans.one(inner).parent
        assert parent is not None
        assert parent.span_id == spans.named(outer)[-1].context.span_id


def test_contexts_are_given_back_when_handlers_of_several_machines_nest(spans: Spans) -> None:
    current: list[str] = []

    def note() -> None:
        current.append(getattr(trace.get_current_span(), "name", "-"))

    class Inner:
        def FooState(self, event: am.Event) -> None:
            note()

    inner = machine("inner", handlers=Inner())

    class Outer:
        def FooState(self, event: am.Event) -> None:
            note()
            inner.add("Foo")
            note()

        def BarState(self, event: am.Event) -> None:
            note()

    outer = machine("outer", handlers=Outer())
    tracer = spans.open(nested=True)
    tracer.bind(outer)
    tracer.bind(inner)
    note()
    outer.add("Foo")
    outer.add("Bar")
    note()
    assert current == ["-", "0:Foo", "1:Foo", "0:Foo", "0:Bar", "-"]


def test_handlers_are_events_with_binding_and_duration_at_level_2(spans: Spans) -> None:
    class Two:
        def FooEnter(self, event: am.Event) -> None:
            pass

        def FooState(self, event: am.Event) -> None:
            pass

    m = machine(handlers=Two())
    m.sem_log.steps = True
    spans.open(transitions=True, nested=True).bind(m)
    m.add("Foo")
    span = spans.one("0: [add] Foo")
    assert [event.name for event in span.events] == ["FooEnter", "FooState"]
    for event in span.events:
        assert event.attributes["am.handler.binding"] == "Two"
        assert 0 < event.attributes["am.handler.duration"] < 1
    assert span.attributes["am.tx.steps"] == 4


def test_what_was_dropped_unread_does_not_leave_wrong_spans_open(spans: Spans) -> None:
    m = machine()
    tracer = spans.open()
    tracer.bind(m)
    (journal,) = [t for t in m.tracers if isinstance(t, am.Journal)]
    journal.batch, journal.limit = 2, 3
    m.add("Foo")
    spans.sync()
    for _ in range(50):
        m.remove("Foo")
        m.add("Multi")
        m.add("Foo")
        m.add("Bar")
    m.remove("Multi")
    assert sorted(spans.open_names()) == ["0:Auto", "0:Bar", "0:Foo"]
    m.remove("Foo")
    assert spans.open_names() == []
    assert tracer.lost > 0


@LEVELS
def test_machines_of_several_threads_share_a_tracer(spans: Spans, nested: bool) -> None:
    tracer = spans.open(transitions=True, nested=nested)
    machines: list[am.Machine] = []
    before = Hub.of_process().errors

    def work(number: int) -> None:
        m = machine(f"m{number}")
        machines.append(m)
        tracer.bind(m)
        for i in range(100):
            m.toggle("Foo")
            m.add("Multi", id=i)
        m.add("Foo")

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(name.split(":")[1] for name in spans.open_names()) == ["Foo"] * 4 + ["Multi"] * 4
    told = [span for span in spans.all() if "am.tx.mutation" in span.attributes]
    assert len(told) == 4 * 201
    assert Hub.of_process().errors == before


@LEVELS
def test_machines_that_come_and_go_leave_little_behind(spans: Spans, nested: bool) -> None:
    tracer = spans.open(transitions=True, nested=nested)
    kept = machine("kept")
    tracer.bind(kept)
    for i in range(MOST_GONE + 50):
        m = machine(f"m{i}", parent=kept)
        m.add("Foo")
        am.Machine({"A": {}}, id=f"sub{i}", parent=m).add("A")
        m.dispose()
    kept.add("Foo")
    spans.sync()
    maker = tracer._consumer.maker
    assert list(maker.tree.named("m0")) == []
    assert [branch.id for branch in maker.tree.branches.values()] == ["kept"]
    assert maker.tree.named("kept")
    assert len(maker.transitions._recent) == MOST_GONE + 1
