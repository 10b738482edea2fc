"""How a machine waits: every `when…` method, and the waking of what they return."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._log import OPS, LogLevel, emit
from ._reading import Reading
from ._waits import LOG_NAMES, Entry, Kind, Wait, WaitIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Waiting(Reading):
    """The waiting half of `BaseMachine`.

    Waits subscribe when they are made and are held weakly. A condition that was met in the middle
    of a drain counts, even if it was undone later in the same drain. All resolve on dispose.
    """

    __slots__ = ()

    def when(self, *states: str) -> Wait:
        """All these states are active at the end of one transition, or now.

        :raises UnknownStateError: if a name is not a state (so do all the others).
        """
        return self._wait_for(Kind.ALL, states)

    def when_not(self, *states: str) -> Wait:
        """None of these states is active at the end of one transition, or now."""
        return self._wait_for(Kind.NONE, states)

    def when_any(self, *states: str) -> Wait:
        """At least one of these states is active at the end of one transition, or now."""
        return self._wait_for(Kind.ANY, states)

    def when_err(self) -> Wait:
        """`Exception` is active."""
        return self._wait_for(Kind.ALL, ("Exception",))

    def when_time(self, ticks: Mapping[str, int]) -> Wait:
        """Each of these ticks was reached.

        :raises ValueError: if no state is given, or a tick is negative.
        """
        if not ticks or any(tick < 0 for tick in ticks.values()):
            raise ValueError("when_time needs states, and ticks that are not negative")
        self.check_thread()
        indexes = self._schema.indexes(ticks, self)
        wanted = dict(zip(indexes, ticks.values(), strict=True))
        return self._wait_for_ticks(wanted)

    def when_ticks(self, state: str, ticks: int) -> Wait:
        """The state's clock has moved on by so many ticks."""
        self.check_thread()
        i = self._schema.indexes((state,), self)[0]
        return self._wait_for_ticks({i: self._ticks[i] + max(ticks, 0)})

    def when_next_active(self, state: str) -> Wait:
        """The state becomes active, or is left and becomes active again, or, if multi, is entered
        again."""
        self.check_thread()
        i = self._schema.indexes((state,), self)[0]
        tick = self._ticks[i]
        return self._wait_for_ticks({i: tick + 1 + (tick & 1)})

    def when_query(self, fn: Callable[[dict[str, int]], object]) -> Wait:
        """`fn(clock)` is true now, or after a transition that changed a tick. If it raises, that
        becomes an error of the machine and the wait ends with False."""
        self.check_thread()
        wait = Wait("query")
        verdict = self._ask(fn)
        if verdict is not False or self._life:
            wait.resolve(bool(verdict))
            return wait
        index = self._wait_index()
        number = len(index.of(Kind.QUERY))
        index.add(wait, Kind.QUERY, condition=fn)
        wait.label = str(number)
        self._watched = -1
        self._tell_wait("new", Kind.QUERY, wait)
        return wait

    def when_args(self, state: str, /, **args: Any) -> Wait:
        """The state is entered by a mutation whose keywords contain all these, compared by `==`."""
        self.check_thread()
        i = self._schema.indexes((state,), self)[0]
        wait = Wait(f"{self._schema.names[i]} ({','.join(sorted(args))})")
        if self._life:
            wait.resolve(False)
        else:
            self._wait_index().add(wait, Kind.ARGS, self._schema.bits[i], dict(args))
            self._watched |= self._schema.bits[i]
            self._tell_wait("new", Kind.ARGS, wait)
        return wait

    def when_disposed(self) -> Wait:
        """The machine came to its end."""
        self.check_thread()
        wait = Wait("disposed", True if self.disposed else None)
        if not wait.done:
            self._wait_index().add(wait, Kind.DISPOSED)
        return wait

    # ---------------------------------------------------------------- subscribing

    def _wait_index(self) -> WaitIndex:
        if self._waits is None:
            self._waits = WaitIndex()
        return self._waits

    def _wait_for(self, kind: Kind, states: tuple[str, ...]) -> Wait:
        self.check_thread()
        mask = self._schema.mask(states, self)
        active = self._conf.mask & mask
        if kind is Kind.ALL:
            met = active == mask
        elif kind is Kind.NONE:
            met = not active
        else:
            met = active != 0
        wait = Wait(" ".join(states))
        if met or self._life:
            wait.resolve(met)
            return wait
        index = self._waits if self._waits is not None else self._wait_index()
        index.add(wait, kind, mask)
        self._watched |= mask
        if self._log_level >= OPS:
            self._tell_wait("new", kind, wait)
        return wait

    def _wait_for_ticks(self, wanted: dict[int, int]) -> Wait:
        names = self._schema.names
        told = ",".join([names[i] for i in wanted])
        wait = Wait(f"{told} {list(wanted.values())}".replace(", ", " "))
        met = all(self._ticks[i] >= tick for i, tick in wanted.items())
        if met or self._life:
            wait.resolve(met)
            return wait
        mask = sum([self._schema.bits[i] for i in wanted])
        self._wait_index().add(wait, Kind.TIME, mask, wanted)
        self._watched |= mask
        self._tell_wait("new", Kind.TIME, wait)
        return wait

    def _ask(self, fn: Callable[[dict[str, int]], object]) -> bool | None:
        """Whether the predicate of a query holds; None if it raised."""
        try:
            return bool(fn(self.clock()))
        except Exception as exc:
            self._query_failed(exc)
            return None

    def _query_failed(self, exc: Exception) -> None:
        self.err = exc

    def _tell_wait(self, what: str, kind: Kind, wait: Wait) -> None:
        if self._log_level >= OPS:
            emit(self, LogLevel.OPS, f"[{LOG_NAMES[kind]}:{what}] {wait.label}")

    # ---------------------------------------------------------------- waking

    def _wake(self, changed: int, blips: int = 0) -> None:
        """Wake the waits whose condition a transition has met, in the order of their kinds."""
        index = self._waits
        if index is None:
            self._rewatch()
            return
        if changed & index.mask:
            self._wake_all(index.met(changed, self._conf.mask, self._ticks, blips))
        if index.has(Kind.QUEUE):
            self._wake_queue(index)
        for entry, wait in index.of(Kind.QUERY):
            verdict = self._ask(entry.condition)
            if verdict is not False:
                self._finish_wait(index, entry, wait, bool(verdict))
        self._rewatch()

    def _wake_all(self, met: list[tuple[Entry, Wait]]) -> None:
        index = self._waits
        assert index is not None
        for entry, wait in met:
            self._finish_wait(index, entry, wait, True)

    def _wake_queue(self, index: WaitIndex) -> None:
        """Waits for the outcome of a mutation that is known now."""
        for entry, wait in index.of(Kind.QUEUE):
            if entry.condition.outcome is not None:
                self._finish_wait(index, entry, wait, True)

    def _wake_args(self, state: int, args: Mapping[str, Any]) -> None:
        """A state was entered with these keywords."""
        index = self._waits
        if index is None or not index.args >> state & 1:
            return
        for entry, wait in index.of(Kind.ARGS):
            if not entry.mask >> state & 1:
                continue
            try:
                hit = all(
                    key in args and bool(args[key] == value)
                    for key, value in entry.condition.items()
                )
            except Exception as exc:
                # Values that cannot be compared: as with a query that raises.
                self._finish_wait(index, entry, wait, False)
                self._query_failed(exc)
                continue
            if hit:
                self._finish_wait(index, entry, wait, True)

    def _finish_wait(self, index: WaitIndex, entry: Entry, wait: Wait, value: bool) -> None:
        wait.resolve(value)
        index.drop(entry)
        if self._log_level >= OPS:
            self._tell_wait("match", entry.kind, wait)

    def _end_tick_waits(self) -> None:
        """Ticks have lost their meaning: waits for them end with False."""
        index = self._waits
        if index is not None:
            for entry, wait in index.rest():
                if entry.kind is Kind.TIME:
                    self._finish_wait(index, entry, wait, False)

    def _end_waits(self) -> None:
        """On dispose: all waits but those for the disposal end with False."""
        index = self._waits
        for entry, wait in index.rest() if index is not None else ():
            if entry.kind is not Kind.DISPOSED and index is not None:
                wait.resolve(False)
                index.drop(entry)

    def _end_dispose_waits(self) -> None:
        index = self._waits
        for entry, wait in index.of(Kind.DISPOSED) if index is not None else ():
            assert index is not None
            self._finish_wait(index, entry, wait, True)
        self._waits = None
        self._rewatch()
