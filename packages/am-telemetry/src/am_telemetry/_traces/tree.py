"""The tree of spans: machines, their groups, and one span for each activation of a state.

Times are nanoseconds since 1970 and always given: spans are made after what they tell of, or while
it happens. Group and machine spans exist for nesting; they end at once, so they are exported early,
and only their contexts are kept. Not for several threads at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.context import Context

from .._hub.moves import HEALTH, Moves, difference, moves_of
from .facts import outline_of_entry

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from opentelemetry.trace import Span, SpanContext, Tracer

    import am_machine as am

    from .._hub.link import MachineLink
    from .choice import Choice
    from .facts import Outline

MOST_OUTLINES = 1000
"""Forms of transitions of a machine that are remembered."""
STATES, TRANSITIONS, SUBMACHINES = "states", "transitions", "submachines"


def context_of(span_context: SpanContext) -> Context:
    """The context in which spans become children of a span, without keeping that."""
    # An empty one: spans of the program around must not become parents.
    return trace.set_span_in_context(trace.NonRecordingSpan(span_context), Context())


class Branch:
    """One machine: the contexts of its groups, and its open state spans."""

    __slots__ = (
        "_outlines", "children", "groups", "id", "index", "is_ended", "key", "link", "open",
        "parent", "span_context", "state_groups", "ticks", "time_sum",
    )  # fmt: skip

    def __init__(
        self,
        link: MachineLink,
        index: int,
        parent: Branch | None,
        span_context: SpanContext,
        ticks: Sequence[int],
    ) -> None:
        self.link = link
        self.id = link.id
        self.index = index
        self.parent = parent
        self.children: dict[Branch, None] = {}
        self.span_context = span_context
        # Contexts of `states`, `transitions`, `submachines`; of the group of a state, by index.
        self.groups: dict[str, Context] = {}
        self.state_groups: dict[int, Context] = {}
        self.open: dict[int, Span] = {}
        # The clocks that spans tell of so far.
        self.ticks: Sequence[int] = ticks
        self.time_sum = sum(ticks)
        self.is_ended = False
        self.key = 0
        self._outlines: dict[object, Outline] = {}

    @property
    def schema(self) -> am.Schema:
        """The schema as it is now; it only grows, so it also tells of what was before."""
        return self.link.schema

    def outline_of(self, entry: am.JournalEntry) -> Outline:
        """What an entry has in common with others of its form; kept, as it is the same again."""
        found = self._outlines.get(entry.form) if entry.form is not None else None
        if found is None:
            found = outline_of_entry(self.schema, entry)
            if entry.form is not None:
                if len(self._outlines) >= MOST_OUTLINES:
                    self._outlines.clear()
                self._outlines[entry.form] = found
        return found


class Tree:
    """All machines of one tracer."""

    def __init__(
        self, tracer: Tracer, choice: Choice, root: SpanContext | None, *, include_health: bool
    ) -> None:
        self._tracer = tracer
        self._choice = choice
        self._include_health = include_health
        self._root = root
        self._root_context = context_of(root) if root is not None else None
        self._count = 0
        self.branches: dict[int, Branch] = {}
        # By the id of the machine object.
        self._by_object: dict[int, Branch] = {}
        self._by_id: dict[str, dict[Branch, None]] = {}

    @property
    def root(self) -> SpanContext | None:
        """The root span, once there is one."""
        return self._root

    # ------------------------------------------------------------------ machines

    def plant(self, link: MachineLink, ticks: Sequence[int], at: int) -> Branch | None:
        """A machine came, with these clocks; None if it is not traced."""
        if link.number in self.branches or not self._choice.takes_machine(link.id):
            return self.branches.get(link.number)
        parent = self._parent_of(link)
        if parent is not None:
            context = self.group(parent, SUBMACHINES, at)
        else:
            context = self._context_of_root(at)
        index, self._count = self._count, self._count + 1
        attributes: dict[str, Any] = {"am.machine.id": link.id, "am.machine.tags": link.tags}
        if link.parent_id is not None:
            attributes["am.machine.parent"] = link.parent_id
        span_context = self._point(f"mach:{index}:{link.id}", context, at, attributes)
        branch = Branch(link, index, parent, span_context, ticks)
        if parent is not None:
            parent.children[branch] = None
        self.branches[link.number] = branch
        branch.key = id(link.machine)
        self._by_object[branch.key] = branch
        self._by_id.setdefault(link.id, {})[branch] = None
        active = tuple([i for i, tick in enumerate(ticks) if tick & 1])
        self.move(branch, Moves(active, (), (), ()), at, at, "", "")
        return branch

    def named(self, machine_id: str) -> Collection[Branch]:
        """The machines of an id, which need not be one."""
        return self._by_id.get(machine_id, ())

    def _parent_of(self, link: MachineLink) -> Branch | None:
        machine: Any = link.machine
        parent = machine.parent if machine is not None else None
        while parent is not None:
            branch = self._by_object.get(id(parent))
            if branch is not None and branch.link.machine is parent and not branch.is_ended:
                return branch
            parent = parent.parent
        return None

    def _context_of_root(self, at: int) -> Context:
        if self._root_context is None:
            self._root = self._point("root", Context(), at, {})
            self._root_context = context_of(self._root)
        return self._root_context

    def _point(
        self, name: str, context: Context, at: int, attributes: dict[str, Any]
    ) -> SpanContext:
        """A span that ends as it begins."""
        span = self._tracer.start_span(name, context, attributes=attributes, start_time=at)
        span.end(at)
        return span.get_span_context()

    def group(self, branch: Branch, name: str, at: int) -> Context:
        """The context of a group of a machine, made when it is first needed."""
        found = branch.groups.get(name)
        if found is None:
            context = context_of(branch.span_context)
            made = self._point(f"{branch.index}:{name}", context, at, {})
            found = branch.groups[name] = context_of(made)
        return found

    def _state_group(self, branch: Branch, i: int, at: int) -> Context:
        found = branch.state_groups.get(i)
        if found is None:
            name = branch.schema.names[i]
            multi = " [M]" if branch.schema[name].multi else ""
            made = self._point(
                f"{branch.index}:{name}{multi}", self.group(branch, STATES, at), at, {}
            )
            found = branch.state_groups[i] = context_of(made)
        return found

    def uproot(self, branch: Branch, at: int) -> list[str]:
        """A machine is gone: end what is open, its submachines first, latest first. Returns the ids
        of all that are gone now."""
        if branch.is_ended:
            return []
        branch.is_ended = True
        gone = []
        for child in reversed(list(branch.children)):
            gone += self.uproot(child, at)
        self._drop(branch)
        for i in reversed(list(branch.open)):
            branch.open.pop(i).end(at)
        return [*gone, branch.id]

    def _drop(self, branch: Branch) -> None:
        self.branches.pop(branch.link.number, None)
        if self._by_object.get(branch.key) is branch:
            del self._by_object[branch.key]
        named = self._by_id[branch.id]
        del named[branch]
        if not named:
            del self._by_id[branch.id]
        if branch.parent is not None:
            branch.parent.children.pop(branch, None)

    # ------------------------------------------------------------------ states

    def catch_up(self, branch: Branch, ticks: Sequence[int], at: int) -> None:
        """The clocks are these, and nothing told how they came to be so."""
        if tuple(branch.ticks) == tuple(ticks):
            return
        changes = [change for change in difference(branch.ticks, ticks) if change[1]]
        moves = moves_of(branch.ticks, changes)
        branch.ticks = tuple(ticks)
        branch.time_sum = sum(ticks)
        # Who was active in between is not known well enough for spans of their own.
        self.move(branch, moves._replace(again=(), blinked=(), last=()), at, at, "", "")

    def move(
        self, branch: Branch, moves: Moves, began: int, at: int, label: str, tx_id: str
    ) -> tuple[list[SpanContext], list[SpanContext]]:
        """A transition began and moved these states; returns the spans that it ended, and those
        that it began. `label` names it in spans that go on."""
        attributes = {"am.tx.id": tx_id} if tx_id else {}
        for i in (*moves.again, *moves.last):
            open_span = branch.open.get(i)
            if open_span is not None:
                open_span.add_event(label, attributes, at)
        ended = self._end_states(branch, moves.left, at)
        begun = []
        for i in moves.entered:
            span = self._begin_state(branch, i, began, attributes)
            if span is not None:
                begun.append(span.get_span_context())
        for i in moves.blinked:
            span = self._begin_state(branch, i, began, attributes)
            if span is not None:
                begun.append(span.get_span_context())
                ended += self._end_states(branch, (i,), at)
        return ended, begun

    def _begin_state(
        self, branch: Branch, i: int, at: int, attributes: dict[str, str]
    ) -> Span | None:
        name = branch.schema.names[i]
        if not self._choice.takes(branch.id, name):
            return None
        if name in HEALTH and not self._include_health:
            return None
        context = self._state_group(branch, i, at)
        told = f"{branch.index}:{name}"
        # What is exported before the state is left again, which a crash may prevent.
        self._point(f"{told} +", context, at, dict(attributes))
        span = self._tracer.start_span(told, context, attributes=attributes, start_time=at)
        branch.open[i] = span
        return span

    def _end_states(self, branch: Branch, states: Iterable[int], at: int) -> list[SpanContext]:
        ended = []
        for i in states:
            span = branch.open.pop(i, None)
            if span is not None:
                ended.append(span.get_span_context())
                span.end(at)
        return ended
