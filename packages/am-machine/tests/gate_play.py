"""Runs a case of the gate on a machine, and writes down all that a user could see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio
import trio.testing

import am_machine as am

from .gate import OTHER

if TYPE_CHECKING:
    from collections.abc import Callable

    from .gate import Bound, Case, Op, Turns
    from .gate_ways import Listening, Way

# Its plans are found again by each run.
OTHER_SCHEMA = am.compile_schema(OTHER)
# After so many calls every handler only accepts, so that handlers which call up each other end.
MOST_CALLS = 30
NO_NEWS = ((), (), ())
RAISED: dict[str, type[BaseException]] = {}


class Stop(BaseException):
    """What is no Exception leaves through the outermost call; KeyboardInterrupt is one such."""


RAISED["Stop"] = Stop
RAISED["LookupError"] = LookupError


def told(error: BaseException | None) -> str:
    """An error by type and text; how long a slow handler took differs from run to run."""
    if error is None or isinstance(error, am.HandlerTimeoutError):
        return type(error).__name__
    if isinstance(error, BaseExceptionGroup):
        return f"group of {sorted(told(one) for one in error.exceptions)}"
    return f"{type(error).__name__}: {error}"


def plain(args: Any) -> dict[str, object]:
    """Keywords as they can be compared between machines."""
    return {name: _plain(value) for name, value in args.items()}


def _plain(value: object) -> object:
    if isinstance(value, BaseException):
        return told(value)
    # An id is drawn anew for each transition.
    return value[:3] if isinstance(value, am.Panic) else value


class Play:
    """One run of a case under one way of listening."""

    def __init__(self, case: Case, way: Way, schema: Any) -> None:
        self.case = case
        self.seen: list[Any] = []
        # What is wrong whoever listens.
        self.broken: list[str] = []
        self.calls = 0
        self.turn_of: dict[tuple[int, str], int] = {}
        self.waits: dict[int, am.Wait] = {}
        self.done: dict[int, am.Wait] = {}
        self.contexts: dict[int, am.StateContext] = {}
        self.results: dict[int, am.Result] = {}
        self.last: am.Result = am.EXECUTED
        self.count = 0
        self.kept: list[am.Event] = []
        self.bindings: list[am.Binding] = []
        # Tasks that wait for their turn, and what each may be known by.
        self.gates: list[tuple[str, trio.Event]] = []
        self.ends: list[Any] = []
        self.schema = schema
        self.listening: Listening = way.listen(self)

    def make(self) -> None:
        """Make both machines, and bind their first handlers."""
        case = self.case
        self.listening.begin()
        self.m = am.Machine(
            self.schema,
            id="m",
            handler_timeout=None,
            tracers=self.listening.tracers,
            **case.options,
        )
        self.other = am.Machine(OTHER_SCHEMA, id="other", handler_timeout=None)
        self.m.log_traceback = self.other.log_traceback = False
        self.listening.made()
        self.bind(self.other, case.other, -1)
        for number, bound in enumerate(case.bound):
            self.bindings.append(self.bind(self.m, bound, number))

    def forget(self) -> None:
        """Let go of all: handlers lead back here, and so nothing of it would go by itself."""
        vars(self).clear()

    def bind(self, machine: am.Machine, bound: Bound, number: int) -> am.Binding:
        handlers = {
            name: self.async_handler(number, name, turns)
            if name in bound.tasks
            else self.handler(number, name, turns)
            for name, turns in bound.turns.items()
        }
        return machine.bind(handlers, f"b{number}")

    # ---------------------------------------------------------------- running

    def run(self) -> None:
        """All of a case that needs no event loop."""
        self.make()
        for number, op in enumerate(self.case.program):
            self.listening.between(number)
            self.outer(op)
        self.dispose()

    async def run_open(self) -> None:
        """All of a case under trio."""
        self.make()
        try:
            async with self.m:
                for number, op in enumerate(self.case.program):
                    self.listening.between(number)
                    self.outer(op)
                    await self.let_tasks_go()
                self.note_ends()
        except BaseException as error:
            self.seen.append(("left by", told(error)))
        self.note_ends()
        self.dispose()
        # By now all waits are done; what they came to is told by awaiting them.
        values = [await wait for wait in self.done.values()]
        self.seen.append(("values", values))

    async def let_tasks_go(self) -> None:
        """Tasks run one after the other, so that chance does not decide what they find."""
        if any([nursery.child_tasks for nursery in trio.lowlevel.current_task().child_nurseries]):
            await trio.testing.wait_all_tasks_blocked()
        else:
            # Nobody is there to be waited for; the end of the machine may have cancelled this.
            await trio.lowlevel.checkpoint_if_cancelled()
        while self.gates:
            first = min(self.gates, key=lambda gate: gate[0])
            self.gates.remove(first)
            first[1].set()
            await trio.testing.wait_all_tasks_blocked()
        self.note_ends()
        self.after("tasks")

    def note_ends(self) -> None:
        # A cancelled batch ends in an order that trio draws.
        self.seen.append(("ends", sorted(self.ends, key=repr)))
        self.ends.clear()

    def outer(self, op: Op) -> None:
        try:
            answer = self.do(op, None)
        except (Exception, Stop) as error:
            answer = ("raised", told(error))
        self.seen.append((*op[:2], answer))
        self.after(op[0])

    def dispose(self) -> None:
        try:
            self.m.dispose()
        except (Exception, Stop) as error:
            self.seen.append(("dispose raised", told(error)))
        self.after("dispose")
        self.seen.append((self.m.string_all(), str(self.other)))
        if not self.m.disposed:
            self.broken.append("dispose does not end it")
        if self.waits:
            self.broken.append(f"waits {[*self.waits]} outlive the machine")

    # ---------------------------------------------------------------- looking

    def after(self, word: str) -> None:
        """What can be seen between two calls, and what has to be true then."""
        try:
            self.look_around(word)
        except Exception as error:
            self.broken.append(f"to look at it after {word} raises {type(error).__name__}")

    def look_around(self, word: str) -> None:
        m = self.m
        ticks, active = tuple(m.time()), m.active
        self.seen.append(
            (ticks, active, m.queue_tick, told(m.err), m.refused, m.disposed, self.news(),
             tuple(self.other.time()), self.other.queue_tick)
        )  # fmt: skip
        for event in self.kept:
            transition = event.transition
            self.seen.append(("kept", event.name, event.tick, plain(event.args), event.is_check,
                              hops(event.source), transition.called, transition.before,
                              transition.accepted, tuple(transition.time_before)))  # fmt: skip
        self.kept.clear()
        for one in (m, self.other):
            if one.transition is not None or one.queue:
                self.broken.append(f"{one.id} is not idle after {word}")
        names = m.schema.names
        if active != tuple([state for state, tick in zip(names, ticks, strict=True) if tick & 1]):
            self.broken.append(f"ticks {ticks} but active {active} after {word}")
        if am.current_source() is not None:
            self.broken.append(f"a cause is left after {word}")
        if not m.disposed and not m.when_queue_ends().done:
            self.broken.append(f"a drain goes on after {word}")

    def news(self) -> tuple[object, ...]:
        """Which waits are done, contexts expired and results settled since it was asked last."""
        if not self.waits and not self.contexts and not self.results:
            return NO_NEWS
        woken = [i for i, wait in self.waits.items() if wait.done]
        for i in woken:
            self.done[i] = self.waits.pop(i)
        expired = [i for i, context in self.contexts.items() if context.expired]
        for i in expired:
            del self.contexts[i]
        settled = [(i, str(r.outcome)) for i, r in self.results.items() if r.outcome is not None]
        for i, _ in settled:
            del self.results[i]
        return tuple(woken), tuple(expired), tuple(settled)

    def look(self, event: am.Event, machine: am.Machine) -> tuple[object, ...]:
        """What a handler looks at, which is little in some cases."""
        if self.case.look == 0:
            return self.news()
        if self.case.look == 1:
            return (tuple(machine.time()), machine.queue_tick, len(machine.queue), *self.news())
        t = event.transition
        return (
            event.name, event.tick, plain(event.args), event.is_check, hops(event.source),
            t.called, t.before, t.target, t.accepted, tuple(t.time_before), tuple(t.time_after),
            t.kind, t.auto, tuple(machine.time()), machine.active, machine.queue_tick,
            [str(mutation) for mutation in machine.queue], hops(am.current_source()),
            *self.news(),
        )  # fmt: skip

    # ---------------------------------------------------------------- handlers

    def handler(self, number: int, name: str, turns: Turns) -> Any:
        def called(event: am.Event) -> object:
            return self.called(number, name, turns, event)

        return called

    def called(self, number: int, name: str, turns: Turns, event: am.Event) -> object:
        self.calls += 1
        self.listening.at_call(self.calls, event)
        self.seen.append((number, name, self.look(event, self.other if number < 0 else self.m)))
        for op in self.next_turn(number, name, turns):
            if op[0] == "return":
                return op[1]
            if op[0] == "raise":
                raise RAISED[op[1]](f"boom {name} {self.calls}")
            self.seen.append((op[0], self.do(op, event)))
        return None

    def next_turn(self, number: int, name: str, turns: Turns) -> tuple[Op, ...]:
        if self.calls > MOST_CALLS:
            self.m.handler_timeout = 0
            return ()
        turn = self.turn_of.get((number, name), 0)
        self.turn_of[number, name] = turn + 1
        return turns[turn % len(turns)] if turns else ()

    def async_handler(self, number: int, name: str, turns: Turns) -> Any:
        async def called(event: am.Event) -> None:
            key = (number, name, event.tick, hops(am.current_source()))
            await self.as_task(key, lambda: self.next_turn(number, name, turns), event)

        return called

    async def as_task(
        self, key: tuple[Any, ...], turn: Callable[[], tuple[Op, ...]], event: Any
    ) -> None:
        """A task waits until it is its turn, does its part, and tells how it ended."""
        how = "cancelled"
        gate = (repr(key), trio.Event())
        self.gates.append(gate)
        try:
            await gate[1].wait()
            self.calls += 1
            self.seen.append(("task", key, hops(am.current_source()), self.news()))
            for op in turn():
                if op[0] == "return":
                    break
                if op[0] == "raise":
                    how = "raised"
                    raise LookupError(f"boom {key}")
                self.seen.append((op[0], self.do(op, event)))
                await trio.lowlevel.checkpoint()
            how = "ended"
        except (Exception, Stop) as error:
            how = told(error)
            if not self.case.options["catch_exceptions"]:
                return
            raise
        finally:
            if gate in self.gates:
                self.gates.remove(gate)
            self.ends.append((key, how))

    # ---------------------------------------------------------------- what is done

    def do(self, op: Op, event: am.Event | None) -> object:
        m = self.m
        match op:
            case ("add" | "remove" | "set" | "toggle" as kind, states, args):
                who = event if event is not None and event.machine is m else m
                return self.result(getattr(who, kind)(*states, **args))
            case ("can_add" | "can_remove" as kind, states, args):
                return self.result(getattr(m, kind)(*states, **args))
            case ("err", None, args):
                return self.result(m.add_err(ValueError(f"err {self.calls}"), **args))
            case ("err", state, args):
                return self.result(m.add_err(state, ValueError(f"err {self.calls}"), **args))
            case ("wait", kind, *operands):
                return self.wait(kind, operands)
            case ("ctx", state):
                self.count += 1
                context = self.contexts[self.count] = m.state_ctx(state)
                return (context.tick, context.expired)
            case ("other", kind, state, args):
                return self.result(getattr(self.other, kind)(state, **args))
            case ("fork", state, ops):
                self.count += 1
                key = ("fork", self.count)
                fork = m.fork(self.as_task, key, lambda: ops, None, state=state)
                return fork.done
            case _:
                return self.do_rest(op, event)

    def do_rest(self, op: Op, event: am.Event | None) -> object:
        m = self.m
        match op:
            case ("bind", number) if self.case.late:
                number %= len(self.case.late)
                self.bindings.append(self.bind(m, self.case.late[number], 10 + number))
            case ("detach", number) if self.bindings:
                self.bindings[number % len(self.bindings)].detach()
            case ("drop", number) if self.waits:
                del self.waits[[*self.waits][number % len(self.waits)]]
            case ("cancel", number) if self.waits:
                self.waits[[*self.waits][number % len(self.waits)]].cancel()
            case ("timeout", seconds):
                m.handler_timeout = seconds
            case ("limit", limit):
                m.queue_limit = limit
            case ("dispose",):
                m.dispose()
            case ("keep",) if event is not None:
                self.kept.append(event)
        return None

    def result(self, result: am.Result) -> object:
        self.last = result
        if result.outcome is None:
            self.count += 1
            self.results[self.count] = result
        return (str(result), result.queue_tick, bool(result))

    def wait(self, kind: str, operands: list[Any]) -> object:
        make = getattr(self.m, kind)
        if kind == "when_args":
            wait = make(operands[0], **operands[1])
        elif kind == "when_queue":
            wait = make(self.last)
        elif kind == "when_query":
            wait = make(self.predicate(*operands))
        else:
            wait = make(*operands)
        self.count += 1
        (self.done if wait.done else self.waits)[self.count] = wait
        return wait.done

    def predicate(self, state: str, tick: int, raises: str | None) -> Any:
        def holds(clock: dict[str, int]) -> bool:
            if clock[state] < tick:
                return False
            if raises is not None:
                raise RAISED[raises](f"query of {state} at {tick}")
            return True

        return holds


def hops(source: am.Source | None) -> object:
    """A cause by what does not differ from run to run."""
    return None if source is None else (source.machine_id, source.time, source.hops)
