"""What the instruments tell, read through a real SDK."""

from itertools import pairwise
from typing import Any

import pytest

import am_machine as am
from am_telemetry._hub import Hub
from am_telemetry._metrics import INSTRUMENTS, Metrics
from am_telemetry._metrics.instruments import OF_MACHINES, OF_STATES, Kind
from am_telemetry._metrics.labels import Labels

from .conftest import Meter

STATES = {
    "Foo": {},
    "Bar": {"require": ["Foo"]},
    "Auto": {"auto": True, "require": ["Bar"]},
    "Tick": {"multi": True},
    "ErrNet": {"multi": True},
}


class Handlers:
    def FooState(self, event: am.Event) -> None:
        pass

    def BarEnter(self, event: am.Event) -> bool | None:
        return None if event.mutation.args.get("ok") else False


def machine(name: str = "m", **options: Any) -> am.Machine:
    return am.Machine(STATES, id=name, handlers=Handlers(), **options)


def test_transitions_are_counted_by_outcome_kind_and_origin(meter: Meter) -> None:
    m = machine()
    meter.open().bind(m)
    m.add("Foo")
    m.add("Bar")
    m.add("Bar", ok=True)
    m.set("Tick")
    m.remove("Tick")
    m.can_add("Foo")
    found = meter.collect()["am.transitions"]
    # am.auto, am.machine.id, am.mutation, am.result
    assert found == {
        (False, "m", "add", "accepted"): 2,
        (False, "m", "add", "canceled"): 1,
        (True, "m", "add", "accepted"): 1,
        (False, "m", "set", "accepted"): 1,
        (False, "m", "remove", "accepted"): 1,
    }


def test_clocks_and_states_are_told_as_they_are(meter: Meter) -> None:
    m = machine()
    meter.open().bind(m)
    m.add("Foo")
    m.add("Tick", "Foo")
    m.add("Tick")
    m.remove("Foo")
    found = meter.collect()
    assert found["am.transition.ticks"] == {("m",): m.time().sum} == {("m",): 5}
    assert found["am.states.added"] == {("m",): 3}
    assert found["am.states.removed"] == {("m",): 1}
    # Foo; Tick and Foo, which was called; Tick; Foo
    assert found["am.states.touched"] == {("m",): 5}
    assert found["am.states.active"] == {("m",): 1}
    assert found["am.states.inactive"] == {("m",): 5}
    assert found["am.states"] == {("m",): 6}
    assert found["am.relations"] == {("m",): 2}
    assert found["am.relation.refs"] == {("m",): 2}
    assert found["am.machines"] == {("m",): 1}


def test_relations_are_read_again_after_the_schema_grew(meter: Meter) -> None:
    m = machine()
    meter.open(states=["More"]).bind(m)
    assert meter.collect()["am.states"] == {("m",): 6}
    names = (*m.schema.names, "More")
    m.set_schema(
        {**{n: m.schema[n] for n in m.schema.names}, "More": {"add": ["Foo", "Tick"]}}, names
    )
    m.add("More")
    found = meter.collect()
    assert found["am.states"] == {("m",): 7}
    assert found["am.relations"] == {("m",): 3}
    assert found["am.relation.refs"] == {("m",): 4}
    assert found["am.state.ticks"] == {("m", "More"): 1}
    assert found["am.state.active"] == {("m", "More"): 1}


def test_the_queue_is_read_at_collection_and_refusals_are_counted(meter: Meter) -> None:
    seen: list[Any] = []

    class Busy:
        def FooState(self, event: am.Event) -> None:
            for _ in range(3):
                event.machine.add("Tick")
            seen.append(meter.reader.get_metrics_data())

    m = am.Machine(STATES, id="m", handlers=Busy(), queue_limit=2)
    meter.open().bind(m)
    m.add("Foo")
    during = {
        metric.name: metric.data.data_points[0].value
        for metric in seen[0].resource_metrics[0].scope_metrics[0].metrics
        if metric.name in ("am.queue.size", "am.mutations.dropped")
    }
    assert during == {"am.queue.size": 2, "am.mutations.dropped": 1}
    found = meter.collect()
    assert found["am.queue.size"] == {("m",): 0}
    assert found["am.mutations.dropped"] == {("m",): 1}


def test_errors_are_named_by_error_state_or_class(meter: Meter) -> None:
    class Failing:
        def FooState(self, event: am.Event) -> None:
            raise LookupError("no")

    m = am.Machine(STATES, id="m", handlers=Failing())
    m.log_traceback = False
    meter.open().bind(m)
    m.add_err("ErrNet", OSError("net"))
    m.add_err("ErrNet", OSError("net"))
    m.add_err(ValueError("bad: value"))
    m.add("Foo")
    assert meter.collect()["am.errors"] == {
        ("m", "ErrNet"): 2,
        ("m", "ValueError"): 1,
        ("m", "LookupError"): 1,
    }


def test_at_most_fifty_types_of_errors_are_told(meter: Meter) -> None:
    m = machine()
    meter.open().bind(m)
    for i in range(60):
        m.add_err(type(f"Bad{i}", (Exception,), {})())
    found = meter.collect()["am.errors"]
    assert len(found) == 51
    assert found["m", "_overflow"] == 10
    assert sum(found.values()) == 60


def test_at_level_0_no_journal_is_bound_and_totals_have_no_kinds(meter: Meter) -> None:
    m = machine()
    meter.open(level=0).bind(m)
    assert not [t for t in m.tracers if isinstance(t, am.Journal)]
    m.add("Foo")
    m.add("Bar")
    m.add_err("ErrNet", OSError())
    m.add_err(OSError())
    found = meter.collect()
    assert found["am.transitions"] == {("m",): m.queue_tick - 1} == {("m",): 4}
    assert found["am.errors"] == {("m", "ErrNet"): 1, ("m", "Exception"): 1}
    assert found["am.transition.ticks"] == {("m",): m.time().sum}
    assert "am.states.added" not in found


def test_level_2_tells_of_handlers_durations_steps_and_the_queue(meter: Meter) -> None:
    class Queueing:
        def FooEnter(self, event: am.Event) -> None:
            pass

        def FooState(self, event: am.Event) -> None:
            event.machine.add("Tick")
            event.machine.remove("Tick")

    m = am.Machine({"Foo": {}, "Bar": {}, "Tick": {}}, id="m", handlers=Queueing())
    m.sem_log.steps = True
    meter.open(level=2, sample=1).bind(m)
    m.add("Foo")
    m.can_add("Bar")
    found = meter.collect()
    assert found["am.handlers"] == {("final", "m"): 1, ("negotiation", "m"): 1}
    assert found["am.mutations.queued"] == {("m",): 4}
    assert found["am.queue.peak"] == {("m",): 2}
    assert found["am.transition.time"]["m",] > 0
    assert found["am.transition.steps"]["m",] >= 6
    assert found["am.transition.duration"]["m",].count == 3
    assert found["am.handler.duration"]["m",].count == 2
    assert meter.collect()["am.queue.peak"] == {("m",): 0}


def test_without_level_2_its_instruments_do_not_exist(meter: Meter) -> None:
    m = machine()
    meter.open().bind(m)
    m.add("Foo")
    found = meter.collect()
    assert not found.keys() & {one.name for one in INSTRUMENTS if one.level == 2}


def test_a_slice_takes_durations_and_then_takes_its_tracer_off(meter: Meter) -> None:
    from am_telemetry._metrics.detail import SliceTracer

    m = machine()
    metrics = meter.open(sample=2)
    metrics.bind(m)
    seen = set()
    for _ in range(200_000):
        m.add("Tick")
        seen.add(any(isinstance(t, SliceTracer) for t in m.tracers))
        if len(seen) == 2:
            break
    assert seen == {True, False}
    for _ in range(200_000):
        m.add("Tick")
        if not any(isinstance(t, SliceTracer) for t in m.tracers):
            break
    found = meter.collect()
    # Those that a journal was too full to keep are counted, too: on a busy host there are some.
    ended = sum(found["am.transitions"].values())
    assert 0 < found["am.transition.duration"]["m",].count < ended
    # A multi state gains one tick at first, and two each time after that.
    assert ended == (m.tick("Tick") + 1) // 2


def test_states_asked_for_have_series_of_their_own(meter: Meter) -> None:
    m = machine()
    meter.open(states=["Foo", "Nowhere"]).bind(m)
    m.add("Foo")
    found = meter.collect()
    assert found["am.state.active"] == {("m", "Foo"): 1}
    assert found["am.state.ticks"] == {("m", "Foo"): 1}
    times = [meter.collect()["am.state.active.time"]["m", "Foo"] for _ in range(3)]
    assert all(a < b for a, b in pairwise([found["am.state.active.time"]["m", "Foo"], *times]))
    m.remove("Foo")
    ended = meter.collect()["am.state.active.time"]["m", "Foo"]
    assert meter.collect()["am.state.active.time"]["m", "Foo"] == ended > times[-1]


def test_all_states_may_be_asked_for(meter: Meter) -> None:
    m = machine()
    meter.open(states="*").bind(m)
    m.add("Foo")
    found = meter.collect()["am.state.ticks"]
    assert found == {("m", name): m.tick(name) for name in m.schema.names}


def test_a_disposed_machine_has_no_series_and_its_totals_stay(meter: Meter) -> None:
    m, other = machine("m"), machine("other")
    metrics = meter.open()
    metrics.bind(m)
    metrics.bind(other)
    m.add("Foo")
    other.add("Foo")
    before = meter.collect()
    m.dispose()
    after = meter.collect()
    for name, points in after.items():
        assert not [key for key in points if "m" in key], name
    for one in OF_MACHINES:
        if one.kind is Kind.COUNTER and one.name in before:
            assert sum(before[one.name].values()) == sum(after[one.name].values()), one.name
    assert after["am.transition.ticks"] == {("_disposed",): 1, ("other",): 1}
    assert after["am.machines"] == {("other",): 1}


def test_machines_of_one_label_are_added_up_and_never_go_back(meter: Meter) -> None:
    pool = [machine(f"w{i}") for i in range(3)]
    metrics = meter.open(label=lambda m: "pool")
    for m in pool:
        metrics.bind(m)
        m.add("Foo")
    found = meter.collect()
    assert found["am.transition.ticks"] == {("pool",): 3}
    assert found["am.states.active"] == {("pool",): 3}
    assert found["am.machines"] == {("pool",): 3}
    pool[0].dispose()
    found = meter.collect()
    assert found["am.transition.ticks"] == {("pool",): 3}
    assert found["am.machines"] == {("pool",): 2}
    for m in pool[1:]:
        m.dispose()
    assert meter.collect()["am.transition.ticks"] == {("_disposed",): 3}


def test_beyond_the_limit_of_labels_machines_share_one(meter: Meter) -> None:
    metrics = meter.open(level=0)
    metrics._consumer._labels._limit = 5
    made = [am.Machine({"A": {}}, id=f"m{i}") for i in range(8)]
    for m in made:
        metrics.bind(m)
        m.add("A")
    found = meter.collect()["am.transition.ticks"]
    assert len(found) == 6
    assert found["_overflow",] == 3
    made[0].dispose()
    meter.collect()
    late = am.Machine({"A": {}}, id="late")
    metrics.bind(late)
    late.add("A")
    found = meter.collect()["am.transition.ticks"]
    assert found["late",] == 1
    assert found["_overflow",] == 3
    assert found["_disposed",] == 1


def test_a_thousand_labels_are_told_apart_at_a_time() -> None:
    labels = Labels(None)
    made = [am.Machine({"A": {}}, id=f"m{i}") for i in range(1002)]
    names = [labels.take(m) for m in made]
    assert names == [*[f"m{i}" for i in range(1000)], "_overflow", "_overflow"]
    assert labels.take(made[0]) == "m0"
    assert not labels.release("m0")
    assert labels.release("m0")
    assert labels.take(made[1001]) == "m1001"
    assert labels.take(made[0]) == "_overflow"


def test_a_label_that_fails_is_the_id(meter: Meter, caplog: pytest.LogCaptureFixture) -> None:
    m = machine()
    meter.open(label=lambda m: 1 / 0).bind(m)
    assert meter.collect()["am.machines"] == {("m",): 1}
    assert "the label of machine m failed" in caplog.text


def test_submachines_are_taken_along_and_inner_ones_are_not(meter: Meter) -> None:
    m = machine()
    old = machine("old", parent=m)
    meter.open().bind(m)
    young = machine("young", parent=m)
    inner = machine("inner", parent=m, tags=["am:inner"])
    for one in (old, young, inner):
        one.add("Foo")
    assert meter.collect()["am.transition.ticks"] == {("m",): 0, ("old",): 1, ("young",): 1}


def test_two_metrics_on_one_meter_are_both_read(meter: Meter) -> None:
    a, b = machine("a"), machine("b")
    meter.open().bind(a)
    second = meter.open()
    second.bind(b)
    assert meter.collect()["am.machines"] == {("a",): 1, ("b",): 1}
    second.close()
    assert meter.collect()["am.machines"] == {("a",): 1}


def test_binding_twice_gives_the_first_handle_and_detaching_ends_the_series(meter: Meter) -> None:
    m = machine()
    metrics = meter.open()
    handle = metrics.bind(m)
    assert metrics.bind(m) is handle
    m.add("Foo")
    handle.detach()
    meter.collect()
    m.add("Tick")
    assert meter.collect()["am.transition.ticks"] == {("_disposed",): 1}
    assert not [t for t in m.tracers if isinstance(t, am.Journal)]


def test_closing_is_idempotent_and_bad_options_are_refused(meter: Meter) -> None:
    with meter.open() as metrics:
        metrics.bind(machine())
    metrics.close()
    assert meter.collect() == {}
    for bad in ({"level": 3}, {"sample": -1}, {"level": 0, "sample": 5}):
        with pytest.raises(ValueError, match=r"level|sample"):
            Metrics(meter.provider, **bad)


def test_what_was_dropped_unread_is_counted_without_kind(meter: Meter) -> None:
    m = machine()
    metrics = meter.open()
    metrics.bind(m)
    m.add("Foo")
    meter.collect()
    (journal,) = [t for t in m.tracers if isinstance(t, am.Journal)]
    link = journal.link  # type: ignore[attr-defined]
    metrics._consumer.lost(link, 7, 0)
    found = meter.collect()["am.transitions"]
    assert found == {(False, "m", "add", "accepted"): 1, ("m",): 7}


def test_every_instrument_of_the_table_is_told_by_some_machine(meter: Meter) -> None:
    class Failing:
        def TickState(self, event: am.Event) -> None:
            raise OSError

    m = am.Machine(STATES, id="m", handlers=Failing())
    m.log_traceback = False
    m.sem_log.steps = True
    meter.open(level=2, sample=1, states="*").bind(m)
    m.add("Tick")
    m.add("Foo")
    m.remove("Foo")
    found = meter.collect()
    missing = {one.name for one in (*OF_MACHINES, *OF_STATES)} - found.keys()
    assert missing == set()


def test_details_are_told_while_somebody_else_listens_at_level_2(meter: Meter) -> None:
    m = machine()
    metrics = meter.open()
    metrics.bind(m)
    (journal,) = [t for t in m.tracers if isinstance(t, am.Journal)]
    link = journal.link  # type: ignore[attr-defined]
    link.detail("somebody", None)
    metrics._consumer.tick(0.0)
    m.add("Foo")
    m.add("Tick")
    assert meter.collect()["am.handlers"]["final", "m"] >= 0
    link.undetail("somebody")
    meter.collect()
    m.add("Foo")
    assert "am.handlers" not in meter.collect()
    assert {type(t).__name__ for t in m.tracers} == {"HubTracer", "HubJournal"}


def test_telemetry_tells_of_itself(meter: Meter) -> None:
    m = machine()
    meter.open().bind(m)
    found = meter.collect()
    assert found["am.telemetry.errors"] == {(): Hub.of_process().errors}
    for name in ("sent", "dropped", "bytes", "buffer", "connected"):
        assert list(found[f"am.dbg.{name}"]) == [()]


def test_hooks_of_details_that_fail_reach_no_machine(
    meter: Meter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*args: Any) -> int:
        raise OSError

    m = machine()
    metrics = meter.open(level=2, sample=1)
    metrics.bind(m)
    monkeypatch.setattr("am_telemetry._metrics.detail.perf_counter_ns", fail)
    before = Hub.of_process().errors
    for _ in range(30):
        assert m.toggle("Tick").executed
    assert Hub.of_process().errors - before >= 10
    assert caplog.text.count("DetailTracer raised OSError") == 1
    assert "DetailTracer" not in {type(t).__name__ for t in m.tracers}
