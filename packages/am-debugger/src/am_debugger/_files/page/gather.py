"""Takes from a session what a page says of its moment, and of those around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...__about__ import __version__
from ..._core.reading import LEVELS
from ..._derive.log_lines import format_args, lines_of, outer_lines
from ..._derive.moment import label, ordered
from ..._derive.reader import called_text, facts
from ..._derive.url import format_time
from ..._derive.why import why
from ..inspect import inert, outcome
from .sheet import RELATIONS, Frame, LogRow, MachineRow, Node, Sheet, StateRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ..._core.session import Session, View
    from ..._derive.reader import Fact
    from ..._derive.steps import Parsed
    from ..._store.client import Client
    from ..._store.versions import Version
    from .sheet import Budget, Picture

_CUT = "…"
# States that it is told of why they are so, where none was asked for.
_MOST_WHY = 3
_MOST_STEPS = 200


def gather(
    session: Session,
    budget: Budget,
    *,
    pictures: Sequence[Picture] = (),
    redacted: Iterable[str] = (),
) -> Sheet:
    """The page of where a session is; a machine has to be selected."""
    view = session.selected
    assert view is not None
    maker = _Maker(session, view, budget)
    numbers, at = _around(view, budget.around)
    frames = tuple([maker.frame(number) for number in numbers])
    # Schemas only grow: states keep their places.
    version = view.client.version_at(max(numbers[-1], view.client.first))
    return Sheet(
        machine=maker.text(view.client.id),
        address=maker.text(str(session.url() or "")),
        frames=frames,
        at=at,
        machines=tuple(maker.machines()),
        machines_left=maker.machines_left,
        states=tuple(maker.states(version)),
        states_left=max(0, len(version.names) - budget.states),
        why=tuple(maker.why()),
        pictures=tuple(pictures),
        level=LEVELS[session.log_level],
        redacted=tuple(redacted),
        version=__version__,
    )


def _around(view: View, count: int) -> tuple[list[int], int]:
    """The moments around the cursor, and the position of its own among them; 0 stands for the
    time before the first transition, as does any other that is not kept."""
    home = view.client.first - 1
    position = view.visible.position(view.cursor)
    before = [*view.visible.numbers[max(position - count - 1, 0) : position]]
    if view.cursor == home or not before or before[-1] != view.cursor:
        before.append(view.cursor)
    elif position <= count + 1:
        before.insert(0, home)
    before = before[-count - 1 :]
    after = view.visible.numbers[position : position + count]
    return [*before, *after], len(before) - 1


class _Maker:
    """Makes the parts of a page within a budget."""

    def __init__(self, session: Session, view: View, budget: Budget) -> None:
        self._session = session
        self._view = view
        self._client: Client = view.client
        self._budget = budget
        self._all = ordered(session.store)
        self._shown = self._chosen()
        self.machines_left = len(self._all) - len(self._shown)

    def text(self, told: str) -> str:
        """A text that may be shown: without what acts on a terminal, and cut."""
        most = self._budget.text
        found = inert(told[: most + 1])
        return found if len(found) <= most else found[: most - 1] + _CUT

    # ------------------------------------------------------------------ machines

    def _chosen(self) -> list[tuple[Client, int]]:
        """As many machines as there is room for, the selected one among them."""
        most = self._budget.machines
        if len(self._all) <= most:
            return self._all
        at = [client is self._client for client, _ in self._all].index(True)
        start = max(0, min(at - most // 2, len(self._all) - most))
        return self._all[start : start + most]

    def machines(self) -> Iterator[MachineRow]:
        """The list of machines, as a tree."""
        for client, depth in self._shown:
            yield MachineRow(self.text(client.id), depth, client is self._client)

    def _labels(self, moment: int) -> Iterator[str]:
        for client, _ in self._shown:
            told = label(client, moment)
            gone = client.gone_at is not None and client.gone_at <= moment
            # As in the list on the screen: gone, or an error not long ago.
            sign = "×" if gone else "!" if told.had_error else ""  # noqa: RUF001
            more = "+" if told.has_more else ""
            yield f"{sign}{told.flags}|{told.number}{more}"

    # ------------------------------------------------------------------ states

    def states(self, version: Version) -> Iterator[StateRow]:
        """The schema."""
        schema = version.schema.schema
        for name in version.names[: self._budget.states]:
            state = schema[name]
            relations = [(kind, getattr(state, kind)) for kind in RELATIONS]
            yield StateRow(
                self.text(name),
                state.multi,
                state.auto,
                tuple([(kind, tuple(map(self.text, names))) for kind, names in relations if names]),
                tuple(map(self.text, state.tags)),
            )

    def why(self) -> Iterator[Node]:
        """Why the chosen state is as it is; if none is chosen, those that were called."""
        view, current = self._view, self._session.current
        if view.state:
            wanted = [view.state]
        elif current is not None:
            names = self._client.version_at(view.cursor).names
            wanted = [names[i] for i in current.tx.called][:_MOST_WHY]
        else:
            return
        for state in wanted:
            try:
                facts = why(self._session.store, self._client, view.cursor, state)
                lines = [fact.text for fact in facts]
            except ValueError:
                lines = [f"there was no state {state} yet"]
            first, *rest = [self.text(line) for line in lines] or [self.text(state)]
            yield Node(first, tuple([Node(line.strip()) for line in rest]))

    # ------------------------------------------------------------------ moments

    def frame(self, number: int) -> Frame:
        """A moment."""
        client, session = self._client, self._session
        if number < client.first:
            ticks = client.clock_after(number)
            times = client.columns.times
            moment = times.searched(0) - 1 if len(times) else session.moment
            head = (("Transition", "none yet: before the first"),)
            labels = tuple(self._labels(moment))
            return Frame(number, "", head, self._cut(ticks), (), (), labels, ())
        parsed = session.parser.parse(client, number)
        moment = client.columns.times.searched(number - client.first)
        return Frame(
            number,
            format_time(parsed.tx.time),
            tuple([(name, self.text(text)) for name, text in self._head(parsed)]),
            self._cut(client.clock_after(number)),
            self._marks(parsed),
            tuple(self._facts(parsed)),
            tuple(self._labels(moment)),
            tuple(self._log(parsed)),
        )

    def _cut(self, ticks: Sequence[int]) -> tuple[int, ...]:
        return tuple(ticks[: self._budget.states])

    def _head(self, parsed: Parsed) -> Iterator[tuple[str, str]]:
        tx, names = parsed.tx, self._client.version_at(parsed.tx.number).names
        extra = [word for word, on in (("auto", tx.is_auto), ("check", tx.is_check)) if on]
        called = f"{called_text(self._client, tx)}{format_args(tx.args)}"
        yield "Mutation", " ".join([called, *[f"({word})" for word in extra]])
        yield "Outcome", outcome(tx) or "executed"
        changed = [f"+{names[i]}" for i in parsed.added] + [f"-{names[i]}" for i in parsed.removed]
        yield "Changed", " ".join(changed) or "nothing"
        yield "Machine time", f"{tx.time_sum} (+{tx.gained})"
        if tx.duration is not None:
            yield "Took", f"{tx.duration / 1000:.3f} ms"
        if tx.is_after_gap:
            yield "Lost", "others before it were not recorded"

    def _marks(self, parsed: Parsed) -> tuple[tuple[int, str], ...]:
        found: dict[int, str] = {}
        parts = (
            ("c", parsed.tx.called), ("+", parsed.added), ("-", parsed.removed),
            ("*", parsed.touched),
        )  # fmt: skip
        for mark, states in parts:
            for i in states:
                if i < self._budget.states and (mark != "*" or i not in found):
                    found[i] = found.get(i, "") + mark
        return tuple(sorted(found.items()))

    def _facts(self, parsed: Parsed) -> Iterator[Node]:
        if not parsed.tx.is_queued:
            reasons = [Node(self.text(reason)) for reason in parsed.explanation.reasons]
            if reasons:
                yield Node("Reasons", tuple(reasons))
        for section in facts(self._session.store, self._client, parsed):
            yield self._node(section)
        steps = [
            Node(self.text(str(step).replace("**", ""))) for step in parsed.steps[:_MOST_STEPS]
        ]
        if steps:
            yield Node("Steps", tuple(steps))

    def _node(self, fact: Fact) -> Node:
        told = fact.full or fact.text
        return Node(self.text(told), tuple([self._node(child) for child in fact.children]))

    def _log(self, parsed: Parsed) -> Iterator[LogRow]:
        client, level = self._client, self._session.log_level
        number = parsed.tx.number
        mark = _gutter(parsed)
        fold = self._view.visible.fold(number)
        if fold is not None:
            yield LogRow(_CUT, self.text(str(fold)))
        lines = lines_of(client, parsed, level) if fold is None else ()
        told = [(mark, line.text) for line in lines]
        told += [(" ", line.text) for line in outer_lines(client, number, level)]
        note = client.notes.get(number)
        if note is not None:
            told.append(("✎", note))
        for sign, text in told[: self._budget.lines]:
            shown = "\n".join([self.text(part) for part in text[: self._budget.text].split("\n")])
            yield LogRow(sign, shown)
        if len(told) > self._budget.lines:
            yield LogRow(" ", f"{_CUT} {len(told) - self._budget.lines} more lines")


def _gutter(parsed: Parsed) -> str:
    """As on the screen: queued, canceled, changed, nothing changed."""
    if parsed.tx.is_queued:
        return "q"
    if not parsed.tx.is_accepted:
        return "×"  # noqa: RUF001
    return "▌" if parsed.tx.gained else "·"
