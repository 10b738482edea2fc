"""Which machines are bound for which consumers."""

from __future__ import annotations

from collections import deque
from threading import RLock
from time import time_ns
from typing import TYPE_CHECKING

from .._env import INNER
from .link import HubJournal, MachineLink, pipes_of
from .tracer import HubTracer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import am_machine as am

    from .consumer import Consumer
    from .hub import Hub


class Handle:
    """One machine bound for one consumer, with the submachines that came by it."""

    __slots__ = ("_detach", "machine_id")

    def __init__(self, machine_id: str, detach: Callable[[Handle], None]) -> None:
        self.machine_id = machine_id
        self._detach: Callable[[Handle], None] | None = detach

    def detach(self) -> None:
        """Stop listening to the machine and to what came by it; what it did until now is still
        told. Again: nothing. In any thread."""
        detach, self._detach = self._detach, None
        if detach is not None:
            detach(self)

    def __repr__(self) -> str:
        return f"<Handle of {self.machine_id}>"


class Event:
    """Something that the hub's thread does once the machine's entries were told."""

    __slots__ = ("at", "consumer", "journal", "link", "name", "via")

    def __init__(
        self,
        name: str,
        link: MachineLink,
        consumer: Consumer | None = None,
        journal: HubJournal | None = None,
        via: Handle | None = None,
    ) -> None:
        self.name = name
        self.link = link
        self.consumer = consumer
        # Held until it is read: its machine may be gone by then.
        self.journal = journal
        self.via = via
        self.at = time_ns() // 1000


class Registry:
    """Machines, what is bound for them, and what happened to them. In any thread.

    Its lock is held for look-ups alone, never while consumers, machines or loggers are called.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.tracer = HubTracer(hub)
        self.events: deque[Event] = deque()
        self._lock = RLock()
        # By id of the machine object, which the link tells from a later one with the same.
        self._links: dict[int, MachineLink] = {}
        self._handles: dict[tuple[Consumer, int], Handle] = {}

    def __len__(self) -> int:
        return len(self._links)

    def links(self) -> list[MachineLink]:
        """Those bound now, oldest first."""
        with self._lock:
            return sorted(self._links.values(), key=lambda link: link.number)

    def link_of(self, machine: object) -> MachineLink | None:
        """The link of a machine, if it is bound."""
        link = self._links.get(id(machine))
        return link if link is not None and link.machine is machine else None

    # ------------------------------------------------------------------ binding

    def attach(
        self, consumer: Consumer, machine: am.BaseMachine, via: Handle | None = None
    ) -> Handle:
        """Bind a machine and its living children.

        :raises RuntimeError: in a thread other than the machine's.
        """
        machine.check_thread()
        with self._lock:
            link = self.link_of(machine)
            if link is None:
                link = MachineLink(machine, self._collected, self._hub.wishes.ask)
                self._links[id(machine)] = link
            known = self._handles.get((consumer, link.number))
            if known is not None:
                return known
            handle = Handle(link.id, lambda handle: self._detach(consumer, handle))
            self._handles[consumer, link.number] = handle
            link.via[consumer] = via or handle
        if self.tracer not in machine.tracers:
            machine.bind_tracer(self.tracer)
        self._hub.guard.call(consumer, consumer.bound, link)
        journal = link.journal
        with self._lock:
            # An older journal may hold what was before; a new one begins with what comes.
            link.since[consumer] = 0 if journal is None else time_ns() // 1000
            link.consumers = (*[c for c in link.consumers if c is not consumer], consumer)
        if consumer.level >= 1 and (journal is None or journal not in machine.tracers):
            self._begin_journal(machine, link)
        for child in machine.children:
            if INNER not in child.tags:
                self._attach_child(consumer, child, via or handle)
        return handle

    def _attach_child(self, consumer: Consumer, child: am.BaseMachine, via: Handle) -> None:
        try:
            self.attach(consumer, child, via)
        except RuntimeError as exc:  # it belongs to another thread
            self._hub.guard.note(consumer, exc)

    def _begin_journal(self, machine: am.BaseMachine, link: MachineLink) -> None:
        journal = HubJournal(self._hub, link)
        link.lost = 0
        link.journal = journal
        machine.bind_tracer(journal)

    def _detach(self, consumer: Consumer, handle: Handle) -> None:
        with self._lock:
            links = [link for link in self._links.values() if link.via.get(consumer) is handle]
            for link in links:
                # Bound again from now on, it is another binding.
                self._handles.pop((consumer, link.number), None)
                link.leaving[consumer] = handle
        for link in links:
            self.events.append(Event("detached", link, consumer, link.journal, handle))
            self._end_journal(link)
        self._hub.start()

    def _end_journal(self, link: MachineLink) -> None:
        """Take the journal off if nobody needs it any more."""
        journal = link.journal
        rest = [one for one in link.consumers if link.leaving.get(one) is not link.via.get(one)]
        if journal is not None and not needs_journal(rest):
            self._hub.wishes.ask(link, detaching(journal))

    def remove(self, consumer: Consumer, link: MachineLink, via: Handle | None = None) -> bool:
        """Forget that a machine is bound for a consumer, by this handle or by any; False if it was
        not."""
        with self._lock:
            if consumer not in link.via or (via is not None and link.via[consumer] is not via):
                return False
            self._handles.pop((consumer, link.number), None)
            link.consumers = tuple([one for one in link.consumers if one is not consumer])
            for known in (link.since, link.via, link.leaving):
                known.pop(consumer, None)
            if not link.consumers:
                self._drop(link)
        self._end_journal(link)
        return True

    def _drop(self, link: MachineLink) -> None:
        if self._links.get(link.key) is link:
            del self._links[link.key]

    def links_of(self, consumer: Consumer) -> list[MachineLink]:
        """The machines bound for a consumer."""
        with self._lock:
            return [link for link in self._links.values() if consumer in link.consumers]

    # ------------------------------------------------------------------ what machines tell

    def machine_came(self, machine: am.BaseMachine) -> None:
        """A submachine inherits what is bound to its nearest bound ancestor."""
        if INNER in machine.tags:
            return
        for ancestor in ancestors(machine):
            link = self.link_of(ancestor)
            if link is not None:
                for consumer in link.consumers:
                    via = link.via.get(consumer)
                    self.attach(consumer, machine, via if isinstance(via, Handle) else None)
                self._hub.start()
                return

    def machine_changed(self, machine: am.BaseMachine, what: str) -> None:
        """Its schema, handlers or pipes are others now."""
        link = self.link_of(machine)
        if link is None:
            return
        link.schema = machine.schema
        link.handlers = machine.handler_names
        link.pipes = pipes_of(machine)
        self.events.append(Event(what, link))

    def machine_ends(self, machine: am.BaseMachine) -> None:
        """It is being disposed."""
        link = self.link_of(machine)
        if link is not None:
            self.events.append(Event("gone", link, None, link.journal))

    def _collected(self, link: MachineLink) -> None:
        # Called by the garbage collector, anywhere: only noted.
        self.events.append(Event("gone", link))

    # ------------------------------------------------------------------ after a fork

    def forked(self) -> list[MachineLink]:
        """New locks and journals, since other threads may have held the old ones; returns the
        machines that go on in the child."""
        self._lock = RLock()
        self.events = deque()
        alive = []
        for link in list(self._links.values()):
            machine, journal = link.machine, link.journal
            try:
                if machine is None or machine.disposed:
                    raise RuntimeError("gone")
                machine.check_thread()
            except RuntimeError:
                # Nothing runs it here.
                self._drop(link)
                continue
            if journal is not None:
                machine.detach_tracer(journal)
                self._begin_journal(machine, link)
            link.since = dict.fromkeys(link.since, 0)
            alive.append(link)
        kept = {link.number for link in alive}
        self._handles = {key: one for key, one in self._handles.items() if key[1] in kept}
        return alive


def detaching(journal: HubJournal) -> Callable[[am.BaseMachine], None]:
    """What takes a journal off its machine."""

    def detach(machine: am.BaseMachine) -> None:
        machine.detach_tracer(journal)

    return detach


def needs_journal(consumers: list[Consumer]) -> bool:
    """Whether one of these wants entries."""
    return any([consumer.level >= 1 for consumer in consumers])


def ancestors(machine: am.BaseMachine) -> Iterator[am.MachineApi]:
    """Parent, its parent, and so on."""
    parent: am.MachineApi | None = machine.parent
    while parent is not None:
        yield parent
        parent = parent.parent
