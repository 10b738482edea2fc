"""How a machine waits: what every `when…` method does, and the waking of what they return.

Waits subscribe when they are made and are held weakly. A condition that was met in the middle of a
drain counts, even if it was undone later in the same drain. All end on dispose.
"""

from __future__ import annotations

from threading import get_ident
from typing import TYPE_CHECKING, Any

from .._watch.log import OPS, LogLevel, emit
from .waits import LOG_NAMES, Entry, Kind, Wait, WaitIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .._engine.base import BaseMachine
    from .._result import Result


# ------------------------------------------------------------------------------ subscribing


def wait_for_states(machine: BaseMachine, kind: Kind, states: tuple[str, ...]) -> Wait:
    """Wait for all, none or any of some states to be active."""
    if get_ident() != machine._owner:
        raise machine._wrong_thread()
    schema = machine._schema
    if len(states) == 1:
        mask = schema.bits[schema.indexes(states, machine)[0]]
    else:
        mask = schema.mask(states, machine)
    active = machine._conf.mask & mask
    # The states that keep the condition from being met.
    rest = active if kind is Kind.NONE else mask & ~active
    is_met = active != 0 if kind is Kind.ANY else not rest
    wait = Wait(states)
    if is_met or machine._life:
        wait.resolve(is_met)
        return wait
    place = (rest & -rest).bit_length() - 1
    index = machine._waits
    if index is None:
        index = index_of(machine)
    index.add(wait, kind, mask, None, place)
    machine._watch(mask if kind is Kind.ANY else schema.bits[place])
    if machine._listening.log_level >= OPS:
        _tell(machine, "new", kind, wait)
    return wait


def wait_for_ticks(machine: BaseMachine, wanted: dict[int, int]) -> Wait:
    """Wait until each of these states, by index, has reached a tick."""
    names = machine._schema.names
    told = ",".join([names[i] for i in wanted])
    wait = Wait(f"{told} {list(wanted.values())}".replace(", ", " "))
    ticks = machine._ticks
    place = next((i for i, tick in wanted.items() if ticks[i] < tick), None)
    if place is None or machine._life:
        wait.resolve(place is None)
        return wait
    mask = sum([machine._schema.bits[i] for i in wanted])
    index_of(machine).add(wait, Kind.TIME, mask, wanted, place)
    machine._watch(1 << place)
    _tell(machine, "new", Kind.TIME, wait)
    return wait


def wait_for_query(machine: BaseMachine, fn: Callable[[dict[str, int]], object]) -> Wait:
    """Wait until a predicate on the clock holds."""
    machine.check_thread()
    wait = Wait("query")
    verdict = _ask(machine, fn)
    if verdict is not False or machine._life:
        wait.resolve(bool(verdict))
        return wait
    index = index_of(machine)
    wait.label = str(index.queries_made)
    index.add(wait, Kind.QUERY, condition=fn)
    machine._watch(-1)
    _tell(machine, "new", Kind.QUERY, wait)
    return wait


def wait_for_args(machine: BaseMachine, state: str, args: dict[str, Any]) -> Wait:
    """Wait until a state is entered with these keywords."""
    machine.check_thread()
    i = machine._schema.indexes((state,), machine)[0]
    keys = ",".join(sorted(args) if len(args) > 1 else args)
    wait = Wait(f"{machine._schema.names[i]} ({keys})")
    if machine._life:
        wait.resolve(False)
        return wait
    bit = machine._schema.bits[i]
    index_of(machine).add(wait, Kind.ARGS, bit, args, i)
    machine._watch(bit)
    _tell(machine, "new", Kind.ARGS, wait)
    return wait


def wait_for_result(machine: BaseMachine, result: Result) -> Wait:
    """Wait until the mutation behind a result was processed or dropped."""
    machine.check_thread()
    wait = Wait(str(result.queue_tick))
    if result.outcome is not None or not result.queued:
        wait.resolve(True)
    elif machine._life:
        wait.resolve(False)
    else:
        index_of(machine).add(wait, Kind.QUEUE, condition=result)
        machine._watch(0)
        _tell(machine, "new", Kind.QUEUE, wait)
    return wait


def wait_for_queue_end(machine: BaseMachine, is_over: bool) -> Wait:
    """Wait until no drain is running."""
    machine.check_thread()
    wait = Wait("queue ends", True if is_over else None)
    if not is_over:
        index_of(machine).add(wait, Kind.QUEUE_ENDS)
        machine._watch(0)
    return wait


def wait_for_disposal(machine: BaseMachine) -> Wait:
    """Wait until the machine came to its end."""
    machine.check_thread()
    wait = Wait("disposed", True if machine.disposed else None)
    if not wait.done:
        index_of(machine).add(wait, Kind.DISPOSED)
    return wait


def index_of(machine: BaseMachine) -> WaitIndex:
    """The machine's index of pending waits, made on first use."""
    index = machine._waits
    if index is None:
        index = machine._waits = WaitIndex(machine)
    return index


def _ask(machine: BaseMachine, fn: Callable[[dict[str, int]], object]) -> bool | None:
    """Whether the predicate of a query holds; None if it raised."""
    try:
        return bool(fn(machine.clock()))
    except Exception as exc:
        machine._query_failed(exc)
        return None


def _tell(machine: BaseMachine, what: str, kind: Kind, wait: Wait) -> None:
    if machine._listening.log_level >= OPS:
        # The states of a wait for ticks are told joined by commas, others by spaces.
        emit(machine, LogLevel.OPS, f"[{LOG_NAMES[kind]}:{what}] {wait.label}")


# ------------------------------------------------------------------------------ waking


def wake(machine: BaseMachine, changed: int, result: Result | None = None, blips: int = 0) -> None:
    """Wake the waits whose condition a transition has met, in the order of their kinds; `result` is
    that of its mutation, if somebody holds it."""
    index = machine._waits
    if index is None:
        return
    if changed & index.mask:
        for entry, wait in index.met(changed, machine._conf.mask, machine._ticks, blips):
            _finish(machine, index, entry, wait, True)
        if machine._watched >= 0:
            # Some have moved on to other states.
            machine._watched |= index.mask
    if result is not None and index.results:
        wake_result(machine, index, result)
    if changed and index.queries:
        _ask_queries(machine, index)


def only_looked_at_by_waits(machine: BaseMachine, state: int) -> bool:
    """Whether all that a change of this state concerns are waits on clocks, which are met without a
    call of anybody's code: no predicate, no context, no task, no wait on args; and no journal."""
    index, dependents = machine._waits, machine._dependents
    return not (
        index is None
        or index.queries
        or state in index.args
        or machine._listening.journals
        or (dependents is not None and dependents.looks_at(state))
    )


def wake_unasked(machine: BaseMachine) -> None:
    """Wake all waits on clocks that are met; no predicate is asked, so no code of users runs."""
    index = machine._waits
    if index is not None:
        changed = (1 << len(machine._ticks)) - 1
        index.rebuild(machine._ticks)
        for entry, wait in index.met(changed, machine._conf.mask, machine._ticks):
            _finish(machine, index, entry, wait, True)
        if machine._watched >= 0:
            machine._watched |= index.mask


def _ask_queries(machine: BaseMachine, index: WaitIndex) -> None:
    for entry in list(index.queries):
        wait = None if entry.is_gone else entry()
        verdict = _ask(machine, entry.condition) if wait is not None else False
        if wait is not None and verdict is not False:
            _finish(machine, index, entry, wait, bool(verdict))


def wake_result(machine: BaseMachine, index: WaitIndex, result: Result) -> None:
    """Wake the waits for one mutation, whose outcome is known now."""
    for entry in list(index.results.get(result, ())):
        wait = entry()
        if wait is not None:
            _finish(machine, index, entry, wait, True)


def wake_args(machine: BaseMachine, state: int, args: Mapping[str, Any]) -> None:
    """A state was entered with these keywords."""
    index = machine._waits
    waits = index.args.get(state) if index is not None else None
    if waits is None or index is None:
        return
    for entry in waits.candidates(args):
        wait = entry()
        if wait is None or entry.is_gone:
            continue
        try:
            hit = _has_all(args, entry.condition)
        except Exception as exc:
            # Values that cannot be compared: as with a query that raises.
            _finish(machine, index, entry, wait, False)
            machine._query_failed(exc)
            continue
        if hit:
            _finish(machine, index, entry, wait, True)


def _has_all(args: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether these keywords are there with these values. (`all` takes twice the time.)"""
    for key, value in wanted.items():
        if key in args and args[key] == value:
            continue
        return False
    return True


def wake_queue_end(machine: BaseMachine) -> None:
    """The queue is empty."""
    index = machine._waits
    if index is not None and index.queue_ends:
        for entry in list(index.queue_ends):
            wait = entry()
            if wait is not None:
                _finish(machine, index, entry, wait, True)


def _finish(machine: BaseMachine, index: WaitIndex, entry: Entry, wait: Wait, value: bool) -> None:
    wait.resolve(value)
    index.drop(entry)
    if machine._listening.log_level >= OPS:
        _tell(machine, "match", entry.kind, wait)


def end_tick_waits(machine: BaseMachine) -> None:
    """Ticks have lost their meaning: waits for them end with False."""
    index = machine._waits
    for entry, wait in index or ():
        if entry.kind is Kind.TIME and index is not None:
            _finish(machine, index, entry, wait, False)


def end_waits(machine: BaseMachine) -> None:
    """On dispose: all waits but those for the disposal end with False."""
    index = machine._waits
    for entry, wait in index or ():
        if entry.kind is not Kind.DISPOSED and index is not None:
            wait.resolve(False)
            index.drop(entry)


def end_disposal_waits(machine: BaseMachine) -> None:
    """The machine came to its end."""
    index = machine._waits
    if index is not None:
        for entry in list(index.disposals):
            wait = entry()
            if wait is not None:
                _finish(machine, index, entry, wait, True)
    machine._waits = None
