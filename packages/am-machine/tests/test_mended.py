"""One small program for each fault of the engine that was found by trial."""

from __future__ import annotations

import sys
import threading
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import pytest

import am_machine as am

if TYPE_CHECKING:
    from collections.abc import Callable


class Ends(am.Tracer):
    """Overrides one hook, so that transitions are told to somebody."""

    def __init__(self) -> None:
        self.seen: list[am.Transition] = []

    def transition_end(self, transition: am.Transition) -> None:
        self.seen.append(transition)


def trace(m: am.Machine) -> None:
    m.bind_tracer(Ends())


def keep(m: am.Machine) -> None:
    m.bind_tracer(am.Journal())


def raise_level(m: am.Machine) -> None:
    m.log_level = am.LogLevel.EVERYTHING


def take_steps(m: am.Machine) -> None:
    m.sem_log.steps = True


def nobody(m: am.Machine) -> None:
    """Nobody listens."""


LISTENERS: dict[str, Callable[[am.Machine], None]] = {
    "nobody": nobody,
    "journal": keep,
    "tracer": trace,
    "log level": raise_level,
    "steps": take_steps,
}
listening = pytest.mark.parametrize("listen", LISTENERS.values(), ids=[*LISTENERS])
pytestmark = pytest.mark.usefixtures("log")


# ------------------------------------------------------------------------------ who is called


@listening
def test_a_state_that_an_auto_mutation_in_part_brings_up_is_told(
    listen: Callable[[am.Machine], None],
) -> None:
    calls: list[str] = []
    m = am.Machine(
        {
            "A": {"remove": ["C"], "auto": True},
            "B": {"require": ["E"], "add": ["C"], "remove": ["A"], "auto": True},
            "C": {"add": ["E", "A"], "remove": ["A", "B", "E"]},
            "E": {},
            "F": {"remove": ["E", "A"]},
        },
        handlers={"AState": lambda e: calls.append(e.name)},
    )
    listen(m)
    m.add("F")
    m.remove("F")
    assert m.is_("A")
    assert calls == ["AState"]


@listening
@pytest.mark.parametrize("args", [{}, {"n": 1}], ids=["no keywords", "keywords"])
def test_a_wait_on_args_without_keywords_is_met_by_any_entry(
    listen: Callable[[am.Machine], None], args: dict[str, int]
) -> None:
    m = am.Machine({"Foo": {"add": ["Bar"]}, "Bar": {}}, handlers={"FooState": lambda e: None})
    listen(m)
    waits = [m.when_args("Foo"), m.when_args("Bar")]
    m.add("Foo", **args)
    assert [wait.done for wait in waits] == [True, True]


def test_a_wait_on_args_is_met_right_after_the_handlers_of_its_state() -> None:
    seen: list[Any] = []
    m = am.Machine({"A": {}, "B": {}})
    waits = {s: m.when_args(s) for s in "AB"}

    def note(event: am.Event) -> None:
        seen.append((event.name, [s for s, wait in waits.items() if wait.done]))

    m.bind({"AState": note, "BState": note, "AnyState": note})
    m.add("A", "B")
    assert seen == [("AState", []), ("BState", ["A"]), ("AnyState", ["A", "B"])]


@listening
@pytest.mark.parametrize("name", ["AEnter", "AState"])
@pytest.mark.parametrize("args", [{}, {"n": 1}], ids=["no keywords", "keywords"])
def test_a_handler_is_measured_by_the_timeout_that_holds_when_it_returns(
    listen: Callable[[am.Machine], None], name: str, args: dict[str, int]
) -> None:
    def lower(event: am.Event) -> None:
        event.machine.handler_timeout = 1e-9

    m = am.Machine({"A": {}}, handlers={name: lower})
    listen(m)
    assert m.add("A", **args) is am.EXECUTED
    assert isinstance(m.err, am.HandlerTimeoutError)
    assert m.is_("A", "Exception")


def test_a_pending_wait_on_args_takes_no_line_from_the_log(log: Any) -> None:
    told = []
    for waits in (False, True):
        m = am.Machine({"A": {}, "B": {}}, handlers={"AEnter": lambda e: None})
        raise_level(m)
        wait = m.when_args("B", n=1) if waits else None
        log.clear()
        m.add("A", "B")
        told.append(log.starting("[handle"))
        assert wait is None or not wait.done
    assert told[1] == told[0]
    assert "[handle:dict] BState" in told[0]
    assert "[handle:dict] AnyState" in told[0]


# ------------------------------------------------------------------------------ coming to listen


@listening
@pytest.mark.parametrize("how", ["plain", "keywords", "queued", "auto", "check"])
@pytest.mark.parametrize("name", ["AEnter", "AnyEnter", "AState", "AnyState"])
def test_a_handler_may_begin_to_listen(
    listen: Callable[[am.Machine], None], how: str, name: str
) -> None:
    m = am.Machine({"A": {"auto": how == "auto"}, "B": {}})
    # A handler for any state is called for B first. (To look at the event would make its record.)
    calls = ["B"] if how in ("queued", "auto") and name.startswith("Any") else ["B", "A"]

    def begin(event: am.Event) -> None:
        calls.append("again")
        if len(calls) == 3:
            listen(m)

    m.bind({name: begin, "BState": lambda e: m.add("A") if how == "queued" else None})
    match how:
        case "plain":
            assert m.add("A") is am.EXECUTED
        case "keywords":
            assert m.add("A", x=1) is am.EXECUTED
        case "check":
            assert m.can_add("A") is am.EXECUTED
        case _:
            assert m.add("B") is am.EXECUTED
    assert m.err is None
    assert m.is_("A") is (how != "check")
    assert m.add("B") is am.EXECUTED
    assert m.remove("A", "B") is am.EXECUTED


# ------------------------------------------------------------------------------ what is raised


@listening
@pytest.mark.parametrize("error", [KeyboardInterrupt, LookupError])
def test_what_a_predicate_raises_leaves_the_machine_usable(
    listen: Callable[[am.Machine], None], error: type[BaseException]
) -> None:
    calls: list[str] = []
    m = am.Machine({"A": {}, "B": {}}, handlers={"AState": lambda e: calls.append(e.name)})
    listen(m)

    def predicate(clock: dict[str, int]) -> bool:
        if clock["A"]:
            raise error
        return False

    wait, other = m.when_query(predicate), m.when("B")
    try:
        m.add("A")
    except KeyboardInterrupt:
        assert error is KeyboardInterrupt
    else:
        assert error is LookupError
        assert isinstance(m.err, LookupError)
        assert wait.done
    del wait
    assert m.transition is None
    assert m.queue == ()
    assert m.is_("A")
    assert m.remove("A") is am.EXECUTED
    assert m.add("B") is am.EXECUTED
    assert other.done
    assert calls == ["AState"]


@listening
def test_a_vote_that_binds_and_fails_has_moved_nothing(
    listen: Callable[[am.Machine], None],
) -> None:
    m = am.Machine({"A": {}, "B": {}})
    listen(m)
    kept: list[am.Event] = []
    journal, refusals = am.Journal(), am.Journal(rejected=True)

    def fail(event: am.Event) -> None:
        kept.append(event)
        m.bind({"BState": lambda e: None})
        raise LookupError("no")

    m.bind({"AEnter": fail})
    m.bind_tracer(journal)
    m.bind_tracer(refusals)
    assert m.add("A") is am.CANCELED
    assert m.string_all() == "(Exception:1) [A:0 B:0]"
    assert not kept[0].transition.is_broken
    a, exception = m.schema.indexes(("A", "Exception"))
    assert [entry.called for entry in journal.read()] == [(exception,)]
    told = [(entry.called, entry.accepted, entry.is_broken) for entry in refusals.read()]
    assert told == [((a,), False, False), ((exception,), True, False)]


@listening
def test_a_check_whose_vote_raises_changes_nothing(
    listen: Callable[[am.Machine], None], log: Any
) -> None:
    def fail(event: am.Event) -> None:
        raise LookupError("not like this")

    m = am.Machine({"A": {}}, handlers={"AEnter": fail})
    listen(m)
    before = m.time()
    log.clear()
    assert m.can_add("A") is am.CANCELED
    assert m.time() == before
    assert m.err is None
    assert m.active == ()
    errors = [record for record in log.records if record.levelname == "ERROR"]
    assert [r for r in errors if "not like this" in f"{r.getMessage()} {r.exc_info}"]


# ------------------------------------------------------------------------------ bindings, journals


@listening
@pytest.mark.parametrize("planned", [False, True])
def test_a_handler_bound_in_a_vote_has_its_first_turn_in_the_next_transition(
    listen: Callable[[am.Machine], None], planned: bool
) -> None:
    calls: list[str] = []

    def bind_late(event: am.Event) -> None:
        if not late:
            late.append(m.bind({"AState": lambda e: calls.append("late")}))

    late: list[am.Binding] = []
    m = am.Machine({"A": {}}, handlers={"AEnter": bind_late})
    if planned:
        m.bind({"AState": lambda e: calls.append("early")})
    listen(m)
    m.add("A")
    assert calls == (["early"] if planned else [])
    m.remove("A")
    m.add("A")
    assert calls.count("late") == 1


@pytest.mark.parametrize("rejected", [False, True])
def test_a_journal_tells_queue_ticks_after_canceled_mutations(rejected: bool) -> None:
    m = am.Machine({"A": {}, "B": {"require": ["C"]}, "C": {}})
    journal = am.Journal(rejected=rejected)
    m.bind_tracer(journal)
    assert m.add("B") is am.CANCELED
    assert m.add("A") is am.EXECUTED
    assert m.queue_tick == 3
    assert journal.read()[-1].queue_tick == 3


# ------------------------------------------------------------------------------ the queue


@listening
@pytest.mark.parametrize("name", ["GoEnter", "GoState"])
def test_no_mutation_of_a_handler_is_lost(listen: Callable[[am.Machine], None], name: str) -> None:
    results: list[am.Result] = []

    def mutate(event: am.Event) -> None:
        results.extend((event.add("A"), event.remove("A"), event.add("A")))

    m = am.Machine({"Go": {}, "A": {}}, handlers={name: mutate})
    listen(m)
    m.add("Go")
    assert m.string_all() == "(Go:1 A:3) [Exception:0]"
    assert [(str(r), r.queue_tick, str(r.outcome)) for r in results] == [
        ("queued", tick, "executed") for tick in (3, 4, 5)
    ]


@listening
def test_only_the_last_waiting_mutation_makes_a_duplicate(
    listen: Callable[[am.Machine], None],
) -> None:
    results: list[str] = []

    def mutate(event: am.Event) -> None:
        m = event.machine
        for result in (
            event.add("A"), event.add("A"), event.add("A", n=1), event.add("A"),
            m.can_add("B"), event.add("A"), event.add("M"), event.add("M"),
            event.set("A"), event.set("A"), event.remove("B"), event.remove("B"),
        ):  # fmt: skip
            results.append(str(result))

    m = am.Machine({"Go": {}, "A": {}, "B": {}, "M": {"multi": True}}, handlers={"GoState": mutate})
    listen(m)
    m.add("Go")
    q, x = "queued", "executed"
    assert results == [q, x, q, q, q, x, q, q, q, q, q, x]


@listening
@pytest.mark.parametrize("name", ["FooEnter", "FooState", "AnyState"])
def test_a_removal_in_a_handler_waits_for_its_turn(
    listen: Callable[[am.Machine], None], name: str
) -> None:
    results: list[am.Result] = []

    def remove(event: am.Event) -> None:
        if not results:
            results.append(event.remove("X"))

    schema = {"Foo": {}, "X": {"auto": True, "require": ["Foo"]}}
    m, outside = am.Machine(schema, handlers={name: remove}), am.Machine(schema)
    listen(m)
    m.add("Foo")
    assert results[0].queued
    assert results[0].outcome is am.EXECUTED
    outside.add("Foo")
    outside.remove("X")
    assert m.clock() == outside.clock()
    assert m.tick("X") == 3


# ------------------------------------------------------------------------------ other threads


class Slow:
    """Stops another thread at the nth line that it runs in the package, as the scheduler may."""

    def __init__(self, home: str, number: int) -> None:
        self.home, self.left = home, number
        self.stopped, self.go = threading.Event(), threading.Event()
        self.error: BaseException | None = None

    def run(self, read: Callable[[], object]) -> None:
        sys.settrace(self.called)
        try:
            read()
        except Exception as error:
            self.error = error
        finally:
            sys.settrace(None)
            self.stopped.set()

    def called(self, frame: Any, event: str, arg: object) -> Any:
        return self.line if frame.f_code.co_filename.startswith(self.home) else None

    def line(self, frame: Any, event: str, arg: object) -> Any:
        if event == "line":
            self.left -= 1
            if self.left == -1:
                self.stopped.set()
                self.go.wait(10)
        return self.line


READERS: dict[str, Callable[[am.Machine], object]] = {
    "transition": lambda m: m.transition,
    "text of the machine": repr,
    "source of the transition": lambda m: (t := m.transition) and t.source,
    "text of the transition": lambda m: str(m.transition),
}


def stopped_reader(read: Callable[[am.Machine], object], where: str, slow: Slow) -> list[object]:
    """What goes wrong if a reader, begun within a transition, goes on after its end."""
    told: list[Any] = []
    m = am.Machine({"A": {}, "B": {}})
    reader = threading.Thread(target=slow.run, args=(lambda: read(m),))

    def start(event: am.Event) -> None:
        if not reader.is_alive():
            reader.start()
            slow.stopped.wait(10)

    def note(event: am.Event) -> None:
        told.append((event.name, event.transition.called, event.transition.target, event.tick))

    m.bind({where: start, "BEnter": note, "BState": note})
    m.add("A")
    slow.go.set()
    reader.join()
    wrong: list[object] = [] if slow.error is None else [f"the reader got {slow.error!r}"]
    if m.transition is not None:
        wrong.append("a transition is left")
    try:
        m.add("B")
    except Exception as error:
        wrong.append(f"add raised {error!r}")
    if told != [("BEnter", ("B",), ("B", "A"), 0), ("BState", ("B",), ("B", "A"), 1)]:
        wrong.append(f"the next handlers are told of {told}")
    return wrong


@pytest.mark.parametrize("read", READERS.values(), ids=[*READERS])
@pytest.mark.parametrize("where", ["AEnter", "AState"])
def test_a_reader_in_another_thread_leaves_nothing_on_the_machine(
    read: Callable[[am.Machine], object], where: str
) -> None:
    home = am.__file__.rpartition("__init__")[0]
    wrong: list[Any] = []
    for number in range(300):
        slow = Slow(home, number)
        # What one leaves behind in the context is not to disturb the next.
        found = copy_context().run(stopped_reader, read, where, slow)
        wrong += [(number, told) for told in found]
        if slow.left >= 0:  # it ran through, and stopped nowhere
            break
    else:
        pytest.fail("the reader never came to its end")
    assert not wrong, "each after so many lines of the reader"
