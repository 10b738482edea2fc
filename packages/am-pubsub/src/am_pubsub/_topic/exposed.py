"""Local machines that a topic tells of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import am_machine as am
from am_pubsub._gossip.entries import Info

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from am_pubsub._gossip.entries import Vector


class Exposed:
    """One machine at its index; `told` are the states whose ticks others see, None for all."""

    def __init__(
        self,
        machine: am.Machine,
        index: int,
        tags: tuple[str, ...],
        told: Collection[str] | None = None,
    ) -> None:
        self.machine = machine
        self.index = index
        self.tags = tags
        self.told = told
        self.tracer: am.Tracer | None = None

    def vector(self) -> Vector:
        """Return the ticks that others see."""
        ticks = self.machine.time()
        told = self.told
        if told is None:
            return tuple(ticks)
        names = self.machine.schema.names
        return tuple(t if name in told else 0 for name, t in zip(names, ticks, strict=True))

    def info(self, schema: bytes, addrs: tuple[str, ...] = ()) -> Info:
        """Return what others are told that it is."""
        parent = self.machine.parent
        tags = (*self.machine.tags, *self.tags)
        return Info(self.machine.id, parent.id if parent is not None else "", tags, schema, addrs)


class Watching(am.Tracer):
    """Notes that a machine moved, once its queue is empty; children are not watched."""

    inheritable = False

    def __init__(
        self,
        source: am.Machine,
        moved: Callable[[], None],
        grown: Callable[[], None],
        ended: Callable[[], None],
    ) -> None:
        self._source = source
        self._moved = moved
        self._grown = grown
        self._ended = ended

    def queue_end(self, machine: am.BaseMachine) -> None:
        """Take note that it may have moved."""
        if machine is self._source:
            self._moved()

    def schema_change(self, machine: am.BaseMachine, old: am.Schema) -> None:
        """Take note that it has more states."""
        if machine is self._source:
            self._grown()

    def machine_dispose(self, machine: am.BaseMachine) -> None:
        """Take note that it is gone."""
        if machine is self._source:
            self._ended()
