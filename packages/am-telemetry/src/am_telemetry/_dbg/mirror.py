"""The receiving side, as values: what machines look like from the messages of a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import am_machine as am

from .._errors import DecodeError
from . import messages as m

if TYPE_CHECKING:
    from collections.abc import Sequence

_KEPT_IDS = 100_000  # of a machine, to tell repeats by


def compiled(given: m.SchemaDef) -> am.Schema:
    """A schema as received, ready to resolve with.

    :raises DecodeError: if it is faulty.
    """
    names = given.names

    def at(indexes: Sequence[int]) -> list[str]:
        return [names[i] for i in indexes]

    states = {
        name: {
            "auto": state.auto,
            "multi": state.multi,
            "require": at(state.require),
            "add": at(state.add),
            "remove": at(state.remove),
            "after": at(state.after),
            "tags": state.tags,
            "doc": state.doc,
        }
        for name, state in zip(names, given.states, strict=True)
    }
    try:
        return am.Schema(states, groups={name: at(members) for name, members in given.groups})
    except (ValueError, TypeError) as exc:
        raise DecodeError(f"a faulty schema: {exc}"[:200]) from exc


class ReceivedTx(NamedTuple):
    """A transition with the clocks around it, and the handlers that were bound."""

    tx: m.Tx
    before: tuple[int, ...]
    after: tuple[int, ...]
    schema: am.Schema
    handlers: tuple[str, ...]

    @property
    def id(self) -> str:
        """The transition's id, 16 hex characters."""
        return self.tx.id.hex()

    @property
    def called(self) -> tuple[str, ...]:
        """Names of the called states."""
        return tuple([self.schema.names[i] for i in self.tx.called])

    @property
    def is_accepted(self) -> bool:
        """Whether it was."""
        return bool(self.tx.flags & m.ACCEPTED)

    def explain(self) -> am.Explanation:
        """The transition with its reasons and steps, worked out from what was sent."""
        tx, names = self.tx, self.schema.names
        vetoed, failed = tx.vetoed or (), None
        if tx.flags & m.ERROR and vetoed:
            vetoed, failed = vetoed[:-1], vetoed[-1] or None
        return self.schema.explain(
            m.KINDS[tx.kind],
            [names[i] for i in tx.called],
            [name for name, tick in zip(names, self.before, strict=False) if tick & 1],
            handlers=self.handlers,
            vetoed=vetoed,
            failed=failed,
            is_auto=bool(tx.flags & m.AUTO),
            is_check=bool(tx.flags & m.CHECK),
        )

    @property
    def steps(self) -> tuple[am.Step, ...]:
        """Its steps."""
        return self.explain().steps


class ReceivedMachine:
    """A machine as received so far."""

    def __init__(self, process: m.Process, mach: m.Mach, schema: am.Schema) -> None:
        self.id = mach.id
        self.process = process
        self.txs: list[ReceivedTx] = []
        """Its transitions, each once."""
        self.queued: list[m.Tx] = []
        """Mutations that were queued while a transition ran, as level 2 has them."""
        self.logs: list[m.Log] = []
        self.pending: m.PendingMsg | None = None
        self.dropped = 0
        self.keyframes = 0
        self.repeats = 0
        self.is_gone = False
        self.update(mach, schema)
        self.clock = mach.time
        self._seen: dict[bytes, None] = {}

    def update(self, mach: m.Mach, schema: am.Schema) -> None:
        """Something of it changed."""
        self.parent = mach.parent
        self.tags = mach.tags
        self.handlers = mach.handlers
        self.pipes = mach.pipes
        self.queue_tick = mach.queue_tick
        self.schema = schema
        self.is_gone = False

    def take(self, tx: m.Tx, before: tuple[int, ...], after: tuple[int, ...]) -> None:
        """It did something."""
        if tx.id in self._seen and not tx.flags & (m.QUEUED | m.CHECK):
            self.repeats += 1
            return
        self._seen[tx.id] = None
        if len(self._seen) > _KEPT_IDS:
            del self._seen[next(iter(self._seen))]
        if tx.flags & m.QUEUED:
            self.queued.append(tx)
            return
        self.keyframes += tx.clock is not None
        self.txs.append(ReceivedTx(tx, before, after, self.schema, self.handlers))
        self.clock = after

    @property
    def active(self) -> tuple[str, ...]:
        """Names of the active states."""
        pairs = zip(self.schema.names, self.clock, strict=False)
        return tuple([name for name, tick in pairs if tick & 1])


class Mirror:
    """What one connection told, or one dump; `machines` may be shared by several. Machines are
    found by the id of their process and their own."""

    def __init__(
        self, process: m.Process, machines: dict[tuple[str, str], ReceivedMachine] | None = None
    ) -> None:
        self.process = process
        self.machines = {} if machines is None else machines
        self.taken = 0
        """Entries taken, as acknowledgements count them."""
        self._schemas: dict[bytes, am.Schema] = {}
        self._handles: dict[int, ReceivedMachine] = {}
        # The clock of each machine as this connection has told it.
        self._clocks: dict[int, tuple[int, ...]] = {}

    def handle_of(self, machine_id: str) -> int | None:
        """The handle by which this connection names a machine."""
        for h, machine in self._handles.items():
            if machine.id == machine_id:
                return h
        return None

    def take(self, message: m.Message) -> None:
        """Go on by one message.

        :raises DecodeError: if it speaks of what was not told, or cannot be.
        """
        match message:
            case m.SchemaDef():
                self._schemas[message.hash] = compiled(message)
            case m.Mach():
                self._take_mach(message)
            case m.Txs(entries):
                for h, tx in entries:
                    self._take_tx(h, tx)
                    self.taken += 1
            case m.Log(h):
                self._known(h).logs.append(message)
            case m.PendingMsg(h):
                self._known(h).pending = message
            case m.Gone(h):
                self._known(h).is_gone = True
            case m.Drop(h, count):
                self._known(h).dropped += count

    def _known(self, h: int) -> ReceivedMachine:
        try:
            return self._handles[h]
        except KeyError:
            raise DecodeError(f"machine {h} was never told of") from None

    def _take_mach(self, mach: m.Mach) -> None:
        schema = self._schemas.get(mach.hash)
        if schema is None:
            raise DecodeError("the schema of a machine was never told")
        if len(mach.time) != len(schema.names):
            raise DecodeError("a clock does not fit its schema")
        process = mach.process or self.process
        key = (process.id, mach.id)
        machine = self._handles.get(mach.h) or self.machines.get(key)
        if machine is None or self._is_successor(mach.h, machine):
            machine = self.machines[key] = ReceivedMachine(process, mach, schema)
        else:
            machine.update(mach, schema)
            if sum(mach.time) > sum(machine.clock):
                # What led there was lost.
                machine.clock = mach.time
        self._handles[mach.h] = machine
        self._clocks[mach.h] = mach.time

    def _is_successor(self, h: int, machine: ReceivedMachine) -> bool:
        """Tell whether a new handle is that of another machine, which took the id of this one."""
        if h in self._handles:
            return False
        # One connection has one handle for a machine; that of the old one may say more yet.
        return machine.is_gone or any(one is machine for one in self._handles.values())

    def _take_tx(self, h: int, tx: m.Tx) -> None:
        machine = self._known(h)
        before = tx.clock if tx.clock is not None else self._clocks[h]
        after = list(before)
        for i, gained in tx.changes:
            if i >= len(machine.schema.names):
                raise DecodeError(f"machine {h} has no state {i}")
            if i >= len(after):
                after += [0] * (i + 1 - len(after))
            after[i] += gained
        if tx.called and max(tx.called) >= len(machine.schema.names):
            raise DecodeError(f"machine {h} has no state {max(tx.called)}")
        self._clocks[h] = tuple(after)
        machine.take(tx, before, tuple(after))
