"""What the hub knows of one machine, and the journal that it reads."""

from __future__ import annotations

import itertools
from collections import deque
from typing import TYPE_CHECKING
from weakref import ref

import am_machine as am

if TYPE_CHECKING:
    from collections.abc import Callable

    from .consumer import Consumer
    from .hub import Hub

_numbers = itertools.count(1)


class MachineLink:
    """One machine as consumers see it. It does not keep the machine alive.

    `number` is unique in the process and never used again. `ticks`, `queue_tick` and
    `machine_tick` are those of the moment at which the machine was first bound; `schema`,
    `handlers` and `pipes` are those of now.
    """

    __slots__ = (
        "__weakref__", "_ask", "_journal", "_ref", "consumers", "detailed", "handlers",
        "has_beside", "id", "key", "leaving", "lost", "machine_tick", "number", "parent_id",
        "pipes", "queue_tick", "schema", "since", "tags", "ticks", "via",
    )  # fmt: skip

    def __init__(
        self,
        machine: am.BaseMachine,
        collected: Callable[[MachineLink], None],
        ask: Callable[[MachineLink, Callable[[am.BaseMachine], object]], None],
    ) -> None:
        me = ref(self)

        def machine_is_gone(_: object) -> None:
            link = me()
            if link is not None:
                collected(link)

        self._ref = ref(machine, machine_is_gone)
        self.key = id(machine)
        self._ask = ask
        self.number = next(_numbers)
        self.id: str = machine.id
        self.parent_id: str | None = machine.parent.id if machine.parent is not None else None
        self.tags: tuple[str, ...] = machine.tags
        self.schema: am.Schema = machine.schema
        self.handlers: tuple[str, ...] = machine.handler_names
        self.pipes: tuple[am.Pipe, ...] = pipes_of(machine)
        self.ticks: tuple[int, ...] = tuple(machine.time())
        self.queue_tick: int = machine.queue_tick
        self.machine_tick: int = machine.machine_tick
        # For the hub.
        self._journal: ref[HubJournal] | None = None
        self.consumers: tuple[Consumer, ...] = ()
        # By consumer: the microsecond from which it wants entries; the handle by which it came.
        self.since: dict[Consumer, int] = {}
        self.via: dict[Consumer, object] = {}
        # Handles that were detached, which the hub's thread has not seen yet.
        self.leaving: dict[Consumer, object] = {}
        self.lost = 0
        # Who listens to the machine at level 2, and what each wants to know where a mutation is
        # queued: others have more to tell while somebody does.
        self.detailed: dict[object, Callable[[], object] | None] = {}
        # Whether the journal may hold what only those are told.
        self.has_beside = False

    @property
    def machine(self) -> am.BaseMachine | None:
        """The machine, if it is still there. Most of it may be read in any thread."""
        return self._ref()

    @property
    def journal(self) -> HubJournal | None:
        """The journal that is bound; held by the machine alone, which it keeps alive."""
        return self._journal() if self._journal is not None else None

    @journal.setter
    def journal(self, journal: HubJournal | None) -> None:
        self._journal = None if journal is None else ref(journal)

    def ask(self, fn: Callable[[am.BaseMachine], object]) -> None:
        """Have `fn(machine)` called on the machine's own stack: at once if this is its thread and
        no transition runs, else after its next transition. In any thread. There tracers may be
        bound and detached. A machine without a journal is only asked in its own thread."""
        self._ask(self, fn)

    def detail(self, consumer: object, sees: Callable[[], object] | None) -> None:
        """A consumer gets level 2 from now on; on the machine's stack. Where a mutation is queued,
        what `sees` returns there is in the details of its entry."""
        self.has_beside = True
        self.detailed[consumer] = sees
        if (journal := self.journal) is not None:
            journal.details = True

    def undetail(self, consumer: object) -> None:
        """It gets level 1 again, soon. In any thread."""
        self.detailed.pop(consumer, None)
        self.ask(self._settle_details)

    def _settle_details(self, machine: am.BaseMachine) -> None:
        journal = self.journal
        if journal is not None:
            journal.details = bool(self.detailed)

    def __repr__(self) -> str:
        return f"<MachineLink {self.number} {self.id}>"


def pipes_of(machine: am.BaseMachine) -> tuple[am.Pipe, ...]:
    """The pipes of a machine, of which most never had one."""
    return tuple(machine.sem_log.pipes)


class HubJournal(am.Journal):
    """The one journal of a machine, read by the hub for all consumers."""

    batch = 1000
    blocked_autos = False

    def __init__(self, hub: Hub, link: MachineLink) -> None:
        super().__init__(rejected=True, details=bool(link.detailed))
        self._hub = hub
        # Not the machine, which keeps this journal.
        self.link = link
        self.wishes: deque[Callable[[am.BaseMachine], object]] = deque()
        # When that happened which was read last.
        self.read_until = 0

    def sees(self, mutation: am.Mutation) -> object:
        """Ask those who want to know."""
        for look in list(self.link.detailed.values()):
            if look is not None:
                return look()
        return None

    def due(self) -> None:
        """Entries wait, or somebody asks for something."""
        if self.wishes:
            self._hub.wishes.fulfil(self)
        self._hub.due(self)
