"""What made a state active, and what stands in the way of one that is not: told as facts.

Obstacles lie behind obstacles: a state requires another one, that comes by a pipe from a machine
in which a third one is missing. Each is followed to where nothing is known that stands before it.
"""

from __future__ import annotations

from itertools import compress
from typing import TYPE_CHECKING

from .._store.layout import REFUSED, Mark
from . import causes
from .log_lines import format_args
from .reader import Fact, Jump, called_text
from .steps import parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._store.client import Client
    from .._store.store import Store
    from .._store.tx import Tx

MOST_TRIED = 20_000
"""Transitions back it is looked for a refusal."""
MOST_FACTS = 100
# Refusals of other machines, of each and of all, of which it is asked what led to them.
_EACH, _MOST_TRACED = 50, 500
_FEW_TRIED = 2000
_AUTO = int(Mark.AUTO | Mark.AUTO_CANCELED)
_EXCEPTION = "Exception"
DEEPEST = 8
"""Obstacles behind each other."""
_IN_VAIN = bytes(
    [bool(REFUSED[m] or (m & Mark.EMPTY and not m & (Mark.AUTO | Mark.HEALTH))) for m in range(256)]
)
_QUEUED = bytes([bool(m & Mark.QUEUED) for m in range(256)])


def explained(store: Store, client: Client, number: int) -> tuple[str, ...]:
    """Why a transition came out as it did, a line each, and who called it."""
    tx = store.tx(client, number)
    told = [*parse(client, tx).explanation.reasons]
    place = store.find_source(client, tx.source) if tx.source is not None else None
    if place is not None:
        told.append(f"called by {place[0].id}/{place[1]} {_text(store, *place)}")
    return tuple(told)


class Teller:
    """Tells facts about states at a moment, each state once."""

    def __init__(self, store: Store, moment: int) -> None:
        self._store = store
        self._moment = moment
        self._seen: set[tuple[int, str]] = set()
        self.facts: list[Fact] = []

    def _tell(
        self, depth: int, text: str, client: Client, number: int | None = None, about: str = ""
    ) -> None:
        if len(self.facts) < MOST_FACTS:
            is_kept = number is not None and client.first <= number <= client.last
            jump = Jump(client, number if is_kept else None)
            self.facts.append(Fact("  " * depth + text, jump, about=about))

    def _is_new(self, client: Client, state: str, depth: int) -> bool:
        key = (client.serial, state)
        if key in self._seen or depth > DEEPEST:
            return False
        self._seen.add(key)
        return True

    # ------------------------------------------------------------------ active

    def active(self, client: Client, number: int, state: str, depth: int = 0, of: str = "") -> None:
        """Since when a state is active, and what led there, over all machines."""
        index = client.version_at(number).names.index(state)
        since = last_change(client, number, index)
        name = f"{of}{state}"
        if since is None:
            text = f"{name} was active before the first transition that is kept"
            self._tell(depth, text, client, about=state)
            return
        self._tell(depth, f"{name} is active since transition {since}", client, since, state)
        self.chain(client, since, depth + 1)

    def chain(self, client: Client, number: int, depth: int) -> None:
        """A transition and its sources back to the origin."""
        for hop in causes.state_trace(self._store, client, number):
            if hop.client is None or hop.number is None:
                known = self._store.named(hop.machine_id)
                text = f"by {hop.machine_id}/{hop.id.hex()} (not kept)"
                self._tell(depth, text, known[0] if known else client)
                continue
            text = f"by {hop.client.id}/{hop.number} {_text(self._store, hop.client, hop.number)}"
            self._tell(depth, text, hop.client, hop.number, _about(hop.client, hop.number))

    # ------------------------------------------------------------------ inactive

    def inactive(
        self, client: Client, number: int, state: str, depth: int = 0, of: str = ""
    ) -> None:
        """What stands in a state's way, and what is behind that."""
        if not self._is_new(client, state, depth):
            return
        index = client.version_at(number).names.index(state)
        went = last_change(client, number, index)
        self._tell(depth, f"{of}{state} is inactive", client, went, state)
        if went is not None:
            self._tell(depth + 1, f"it went in transition {went}", client, went)
            self.chain(client, went, depth + 2)
        self._relations(client, number, state, depth + 1)
        refused = self._refusal(client, number, index, depth + 1)
        waits = self._queue(client, number, index, depth + 1)
        comes = self._pipes(client, state, depth + 1)
        comes = self._adders(client, number, state, depth + 1) or comes
        if not depth:
            self._asked(client, depth + 1)
        is_auto = client.version_at(number).schema.schema[state].auto
        if not (refused or waits or comes or is_auto) and went is None:
            self._tell(depth + 1, f"nothing that is kept has called {state}", client)
            self._last_refused(client, number, depth + 1)

    def _relations(self, client: Client, number: int, state: str, depth: int) -> None:
        version = client.version_at(number)
        clock = client.clock_after(number)
        active = [name for name, tick in zip(version.names, clock, strict=True) if tick % 2]
        told = version.schema.schema.explain("add", [state], active, handlers=version.handlers)
        if told.is_accepted and state in told.target:
            self._tell(depth, "no relation stands in its way", client)
            return
        for reason in told.reasons:
            self._tell(depth, reason, client)
        for missing in told.requires.values():
            for name in missing:
                if name not in active:
                    self.inactive(client, number, name, depth)
        for blockers in told.removed_by.values():
            for name in blockers:
                if name in active and self._is_new(client, name, depth):
                    self.active(client, number, name, depth)

    def _refusal(self, client: Client, number: int, index: int, depth: int) -> bool:
        refused = last_refusal(client, number, index)
        if refused is None:
            return False
        self._refused(client, refused, depth, f"last refused in transition {refused}")
        return True

    def _last_refused(self, client: Client, number: int, depth: int) -> None:
        """What the machine refused last: it may have led to what was never called."""
        numbers = _marked(client, number, REFUSED)
        while numbers and client.columns.marks[numbers[-1] - client.first] & _AUTO:
            numbers.pop()
        if numbers and self._is_new(client, f"#{numbers[-1]}", depth):
            lead = f"but {client.id} refused something else in transition {numbers[-1]}:"
            self._refused(client, numbers[-1], depth, lead)

    def _refused(self, client: Client, number: int, depth: int, lead: str) -> None:
        parsed = parse(client, self._store.tx(client, number))
        text = f"{lead} {called_text(client, parsed.tx)}{format_args(parsed.tx.args)}"
        self._tell(depth, text, client, number, _about(client, number))
        for reason in parsed.explanation.reasons:
            self._tell(depth + 1, reason, client)
        for hop in causes.state_trace(self._store, client, number)[1:]:
            if hop.client is not None and hop.number is not None:
                told = _text(self._store, hop.client, hop.number)
                told = f"called by {hop.client.id}/{hop.number} {told}"
                about = _about(hop.client, hop.number)
                self._tell(depth + 1, told, hop.client, hop.number, about)
        self._why_refused(client, number, depth + 1)

    def _why_refused(self, client: Client, number: int, depth: int) -> None:
        """What a refusal came from: what was missing then, and how that came to be."""
        explanation = parse(client, self._store.tx(client, number)).explanation
        for missing in explanation.requires.values():
            for name in missing:
                if name not in explanation.before:
                    self.inactive(client, number - 1, name, depth)
        for blockers in explanation.removed_by.values():
            for name in blockers:
                if name in explanation.before and self._is_new(client, name, depth):
                    self.active(client, number - 1, name, depth)
        for name in explanation.called:
            # One that was there already often is what others were refused for.
            is_in_vain = bool(explanation.vetoed) or explanation.is_accepted
            was_there = is_in_vain and name in explanation.before
            if was_there and self._is_new(client, f"+{name}", depth):
                self.active(client, number - 1, name, depth)

    def _queue(self, client: Client, number: int, index: int, depth: int) -> bool:
        """Whether it waits in the machine's queue."""
        for n in reversed(_marked(client, number, _QUEUED)):
            if index not in client.columns.called(n):
                continue
            executed = client.executed_by(n)
            if executed is not None and executed <= number:
                return False
            waiting = causes.queue_before(client, self._store, number, MOST_TRIED)
            behind = waiting.index(n) if n in waiting else 0
            text = f"queued in transition {n}, and waits behind {behind} others"
            self._tell(depth, text, client, n)
            for hop in causes.state_trace(self._store, client, n)[1:]:
                if hop.client is not None and hop.number is not None:
                    told = _text(self._store, hop.client, hop.number)
                    told = f"queued by {hop.client.id}/{hop.number} {told}"
                    about = _about(hop.client, hop.number)
                    self._tell(depth + 1, told, hop.client, hop.number, about)
            if waiting and waiting[0] != n:
                first = waiting[0]
                text = f"the first of them: {_text(self._store, client, first)}"
                self._tell(depth + 1, text, client, first)
            return True
        return False

    # ------------------------------------------------------------------ from elsewhere

    def _number(self, client: Client) -> int:
        return (
            client.last
            if client.last_until(self._moment) >= client.last
            else (client.last_until(self._moment))
        )

    def _pipes(self, client: Client, state: str, depth: int) -> bool:
        """Whether the state comes from other machines by pipes; what is with those."""
        found = False
        for pipe in client.version.pipes:
            if pipe.direction != "in" or pipe.state != state or pipe.kind == "remove":
                continue
            other = self._store.in_process(client.process.id, pipe.machine_id)
            if other is None:
                continue
            for name in _outlets(other, client, state):
                number = self._number(other)
                names = other.version_at(number).names
                if name not in names:
                    continue
                found = True
                text = f"it comes by a pipe from {other.id}: {name}"
                self._tell(depth, text, other, number, name)
                tick = other.clock_after(number)[names.index(name)]
                if not tick % 2:
                    self.inactive(other, number, name, depth + 1, f"{other.id}: ")
                elif self._is_new(other, name, depth):
                    self.active(other, number, name, depth + 1, f"{other.id}: ")
        return found

    def _adders(self, client: Client, number: int, state: str, depth: int) -> bool:
        """Whether other states of the machine add it."""
        schema = client.version_at(number).schema.schema
        # Each error adds Exception: that would be a list of all that did not happen.
        adders = () if state == _EXCEPTION else schema.inbound(state).get("add", ())
        for name in adders:
            self._tell(depth, f"{name} adds it", client)
            self.inactive(client, number, name, depth + 1)
        return bool(adders)

    def _asked(self, client: Client, depth: int) -> None:
        """What others were asked because of the machine, and refused last; or what changed nothing,
        since another one had come first."""
        refusals: list[tuple[int, int, Client, int]] = []
        for other in self._store:
            if other is not client and len(other.columns):
                numbers = _marked(other, self._number(other), _IN_VAIN, _FEW_TRIED)[-_EACH:]
                times, first = other.columns.times, other.first
                refusals += [(times.searched(n - first), n, other, n) for n in numbers]
        refusals.sort(key=lambda one: one[:2])
        for _, _, other, n in reversed(refusals[-_MOST_TRACED:]):
            chain = causes.state_trace(self._store, other, n)[1:]
            if any([hop.client is client for hop in chain]):
                if self._is_new(other, f"#{n}", depth):
                    is_refused = REFUSED[other.columns.marks[n - other.first]]
                    became = "refused" if is_refused else "which changed nothing"
                    lead = f"{client.id} led to a call of {other.id}, {became} there in {n}:"
                    self._refused(other, n, depth, lead)
                return


# ---------------------------------------------------------------------- looking back


def last_change(client: Client, number: int, index: int) -> int | None:
    """The last transition up to `number` that made a state active or inactive."""
    changes = client.changes_of(index)
    columns = client.columns
    for n in reversed(changes):
        if client.first <= n <= number:
            gained = dict(columns.diff(n).pairs).get(index, 0)
            if gained % 2:
                return n
    return None


def last_refusal(client: Client, number: int, index: int) -> int | None:
    """The last transition up to `number` that called a state and was refused; not those before
    the state was active last."""
    columns = client.columns
    for n in reversed(_marked(client, number, REFUSED)):
        if index in columns.called(n) and columns.kind_of(n) != "remove":
            return n
    return None


def _marked(client: Client, number: int, table: bytes, most: int = MOST_TRIED) -> list[int]:
    """Transitions up to `number`, at most so many before it, with a mark."""
    columns = client.columns
    start = max(number - most, client.first)
    marks = columns.marks[start - client.first : number - client.first + 1].translate(table)
    return list(compress(range(start, number + 1), marks))


def _outlets(client: Client, target: Client, state: str) -> Sequence[str]:
    """States of a machine that are piped to a state of another one. Pipes tell whom they lead to,
    not which state: the one of the same name if there is one, else all."""
    out = [
        pipe.state
        for pipe in client.version.pipes
        if pipe.direction == "out" and pipe.machine_id == target.machine_id
    ]
    ins = [
        pipe.state
        for pipe in target.version.pipes
        if pipe.direction == "in" and pipe.machine_id == client.machine_id
    ]
    if len(out) == len(ins):
        paired = [a for a, b in zip(out, ins, strict=True) if b == state]
        return tuple(dict.fromkeys(paired))
    return tuple(dict.fromkeys([name for name in out if name == state] or out))


def _about(client: Client, number: int) -> str:
    """The first state that a transition called."""
    called = client.columns.called(number)
    return client.version_at(number).names[called[0]] if called else ""


def _text(store: Store, client: Client, number: int) -> str:
    tx = store.tx(client, number)
    return f"{called_text(client, tx)}{_errors(tx)}{' (auto)' if tx.is_auto else ''}"


def _errors(tx: Tx) -> str:
    """The error of a transition that has one."""
    told = str(tx.args.get("err", "")).removeprefix("…")
    return f": {told}" if told else ""
