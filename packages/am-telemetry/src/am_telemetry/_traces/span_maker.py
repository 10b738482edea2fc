"""Makes the spans of what machines do, whoever tells of it: the hub's thread or machines' own."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from .facts import facts_of_entry
from .transitions import TransitionSpans
from .tree import Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opentelemetry.trace import SpanContext, Tracer

    import am_machine as am

    from .._hub.consumer import Batch
    from .._hub.link import MachineLink
    from .choice import Choice
    from .tree import Branch


class SpanMaker:
    """One tree of spans. What is public takes the lock itself, but for `branch_of`."""

    def __init__(
        self,
        tracer: Callable[[], Tracer],
        choice: Choice,
        root: SpanContext | None,
        *,
        transitions: bool,
        args: bool,
        auto: bool,
        include_health: bool,
    ) -> None:
        # Asked late: the program may set up its provider after it made its first machine.
        self._tracer = tracer
        self._choice = choice
        self._root = root
        self._has_transitions = transitions
        self._args = args
        self._auto = auto
        self._include_health = include_health
        self.lock = threading.RLock()
        self._tree: Tree | None = None
        self._transitions: TransitionSpans | None = None
        # Machines that came and have no spans so far: their clocks at a time in nanoseconds.
        self._came: deque[tuple[MachineLink, tuple[int, ...], int]] = deque()

    @property
    def root(self) -> SpanContext | None:
        """The root span, once there is one."""
        return self._tree.root if self._tree is not None else self._root

    @property
    def tree(self) -> Tree:
        """The tree, made when it is first needed; with the lock held."""
        if self._tree is None:
            tracer, health = self._tracer(), self._include_health
            self._tree = Tree(tracer, self._choice, self._root, include_health=health)
            if self._has_transitions:
                self._transitions = TransitionSpans(
                    tracer,
                    self._tree,
                    self._choice,
                    args=self._args,
                    auto=self._auto,
                    include_health=health,
                )
        return self._tree

    @property
    def transitions(self) -> TransitionSpans | None:
        """The spans of transitions, if they are wanted; after `tree`."""
        return self._transitions

    # ------------------------------------------------------------------ machines

    def came(self, link: MachineLink, ticks: Iterable[int], at: int) -> None:
        """A machine came. Its spans are made later: in a child process that was forked a moment ago
        nothing of an SDK may be used."""
        self._came.append((link, tuple(ticks), at))

    def meet(self) -> None:
        """Make the spans of machines that came, in order."""
        with self.lock:
            while self._came:
                link, ticks, at = self._came.popleft()
                self.tree.plant(link, ticks, at)

    def branch_of(self, link: MachineLink) -> Branch | None:
        """A machine in the tree; None if it is not traced, or gone. With the lock held."""
        if self._came:
            self.meet()
        return self.tree.branches.get(link.number)

    def gone(self, link: MachineLink, at: int) -> None:
        """A machine is gone: its open spans end."""
        with self.lock:
            branch = self.branch_of(link)
            gone = self.tree.uproot(branch, at) if branch is not None else ()
            if self._transitions is not None:
                self._transitions.forget(gone)

    def end_all(self, at: int) -> None:
        """End every open span, those of the latest machine first."""
        with self.lock:
            self.meet()
            if self._tree is None:
                return
            for branch in reversed(list(self._tree.branches.values())):
                self._tree.uproot(branch, at)
            if self._transitions is not None:
                self._transitions.end_all()

    # ------------------------------------------------------------------ transitions

    def tell(self, batch: Batch, now: float) -> None:
        """Make the spans of transitions that ended, sorted by time."""
        with self.lock:
            for link, entries in batch:
                branch = self.branch_of(link)
                if branch is not None:
                    for entry in entries:
                        self._tell(branch, entry, now)

    def _tell(self, branch: Branch, entry: am.JournalEntry, now: float) -> None:
        tree, transitions = self.tree, self._transitions
        if branch.ticks != entry.before:
            tree.catch_up(branch, entry.before, entry.at * 1000)
        wants_span = transitions is not None and transitions.wants(
            branch, entry.kind, entry.called, is_auto=entry.is_auto
        )
        if not entry.changes and not wants_span:
            return
        outline = branch.outline_of(entry)
        facts = facts_of_entry(branch.schema, entry, outline)
        touched: list[SpanContext] = []
        if entry.changes:
            moved = tree.move(branch, outline.moves, facts.at, facts.at, outline.label, entry.id)
            touched = [*moved[0], *moved[1]]
            branch.ticks = entry.after
            branch.time_sum = sum(entry.after)
        if transitions is not None:
            if wants_span:
                transitions.tell(branch, facts, touched, now)
            transitions.told(branch, facts)

    def tick(self, now: float) -> None:
        """Make what is due: spans of machines that came, ends of what waited long enough."""
        if self._came or self._transitions is not None:
            with self.lock:
                self.meet()
                if self._transitions is not None:
                    self._transitions.tick(now)
