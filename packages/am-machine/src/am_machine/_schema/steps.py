"""Steps: why a transition came out as it did, in order of happening."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .handlers import HandlerCall


class StepKind(StrEnum):
    """Kinds of steps; the value is the word used in text."""

    CALLED = "called"
    ACTIVATE = "activate"
    DEACTIVATE = "deactivate"
    DEACTIVATE_PASSIVE = "deactivate-passive"
    RELATION = "relation"
    CANCEL = "cancel"
    HANDLER = "handler"


class Step:
    """One step of a transition. States are indexes, None if absent; `relation` names the kind of
    a RELATION step; the flags describe a HANDLER step. As text it has the names of the states."""

    __slots__ = (
        "_names", "from_state", "is_enter", "is_final", "is_self", "kind", "relation", "to_state",
    )  # fmt: skip

    def __init__(
        self,
        names: Sequence[str],
        kind: StepKind,
        from_state: int | None = None,
        to_state: int | None = None,
        relation: str | None = None,
        is_final: bool = False,
        is_enter: bool = False,
        is_self: bool = False,
    ) -> None:
        self._names = names
        self.kind = kind
        self.from_state = from_state
        self.to_state = to_state
        self.relation = relation
        self.is_final = is_final
        self.is_enter = is_enter
        self.is_self = is_self

    def _key(self) -> tuple[object, ...]:
        flags = (self.is_final, self.is_enter, self.is_self)
        return (self.kind, self.from_state, self.to_state, self.relation, *flags)

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Step) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return f"<Step {self}>"

    def __str__(self) -> str:
        names = self._names
        origin = "Any" if self.from_state is None else names[self.from_state]
        goal = "Any" if self.to_state is None else names[self.to_state]
        if self.kind is StepKind.RELATION:
            return f"**{origin}** {self.relation} **{goal}**"
        if self.kind is not StepKind.HANDLER:
            return f"{self.kind} **{goal if self.to_state is not None else origin}**"
        if self.from_state is None and self.to_state is None:
            return f"handler **Any**{'State' if self.is_final else 'Enter'}"
        if self.is_self:
            return f"handler **{goal}****{goal}**"
        if self.from_state is not None and self.to_state is not None:
            return f"handler **{origin}****{goal}**"
        if self.is_final:
            return f"handler **{goal}**{'State' if self.is_enter else 'End'}"
        return f"handler **{goal}**Enter" if self.is_enter else f"handler **{origin}**Exit"


def handler_step(names: Sequence[str], call: HandlerCall) -> Step:
    """The HANDLER step of a handler name."""
    state = call.state
    match call.role.value:
        case "Exit":
            return Step(names, StepKind.HANDLER, from_state=state)
        case "Enter":
            return Step(names, StepKind.HANDLER, to_state=state, is_enter=True)
        case "self":
            return Step(names, StepKind.HANDLER, to_state=state, is_self=True)
        case "pair":
            return Step(names, StepKind.HANDLER, from_state=call.other, to_state=state)
        case "End":
            return Step(names, StepKind.HANDLER, to_state=state, is_final=True)
        case "State":
            return Step(names, StepKind.HANDLER, to_state=state, is_final=True, is_enter=True)
        case role:
            return Step(names, StepKind.HANDLER, is_final=role == "AnyState")


class StepRecorder:
    """A `Witness` that writes steps."""

    __slots__ = ("_before", "_called", "_names", "steps")

    def __init__(
        self, names: Sequence[str], steps: list[Step], called: Sequence[int], before: int
    ) -> None:
        self._names = names
        self.steps = steps
        self._called = called
        self._before = before

    def listed(self, kind: str, list0: Sequence[int], called: Sequence[int], before: int) -> None:
        """Called states, then what the mutation by itself activates and deactivates."""
        put, names = self.steps.append, self._names
        for i in called:
            put(Step(names, StepKind.CALLED, to_state=i))
        if kind == "remove":
            for i in called:
                put(Step(names, StepKind.DEACTIVATE, to_state=i))
            return
        for i in list0:
            if not before >> i & 1:
                put(Step(names, StepKind.ACTIVATE, to_state=i))
        if kind == "set":
            rest, i = before, 0
            while rest:
                if rest & 1 and i not in called:
                    put(Step(names, StepKind.DEACTIVATE, to_state=i))
                rest >>= 1
                i += 1

    def implied(self, owner: int, states: Sequence[int]) -> None:
        """Implied states."""
        put, names = self.steps.append, self._names
        for state in states:
            put(Step(names, StepKind.RELATION, owner, state, "add"))
        for state in states:
            put(Step(names, StepKind.ACTIVATE, to_state=state))

    def required(self, state: int, needed: int, missing: bool) -> None:
        """A requirement."""
        put, names = self.steps.append, self._names
        put(Step(names, StepKind.RELATION, state, needed, "require"))
        if missing:
            put(Step(names, StepKind.DEACTIVATE_PASSIVE, from_state=state))
            if state in self._called:
                put(Step(names, StepKind.CANCEL, to_state=needed))

    def dropped(self, state: int, missing: Sequence[int]) -> None:
        """Told by `required` already."""

    def blocked(self, state: int, removers: Sequence[int], blockers: Sequence[int]) -> None:
        """A state that others remove."""
        put, names = self.steps.append, self._names
        for blocker in removers:
            put(Step(names, StepKind.RELATION, blocker, state, "remove"))
        active = self._before >> state & 1
        kind = StepKind.DEACTIVATE if active else StepKind.DEACTIVATE_PASSIVE
        put(Step(names, kind, to_state=state))

    def ordered(self, first: int, later: int) -> None:
        """An `after` that decided."""
        self.steps.append(Step(self._names, StepKind.RELATION, first, later, "after"))
