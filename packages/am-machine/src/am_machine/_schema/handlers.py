"""Handler names: how `FooEnter` or `FooBar` is read, and which of a set a transition calls.

Negotiation handlers vote (`False` cancels): `FooExit`, `FooEnter`, `FooFoo`, `FooBar`, `AnyEnter`.
Final handlers act: `FooEnd`, `FooState`, `AnyState`.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from .._errors import HandlerError
from .bits import bits_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .schema import Schema
    from .steps import Step


class Role(Enum):
    """What a handler name means."""

    EXIT = "Exit"
    ENTER = "Enter"
    SELF = "self"
    PAIR = "pair"
    ANY_ENTER = "AnyEnter"
    END = "End"
    STATE = "State"
    ANY_STATE = "AnyState"

    # Members are equal to themselves alone; that of `Enum` is a call, made for each look-up.
    __hash__ = object.__hash__


SUFFIXES = {role.value: role for role in (Role.EXIT, Role.ENTER, Role.END, Role.STATE)}
_FINAL = frozenset((Role.END, Role.STATE, Role.ANY_STATE))


class HandlerCall:
    """One handler name with its reading. `state` is the index of the state it belongs to (of a
    pair `FooBar` that is Bar, with Foo as `other`), -1 for the `Any` handlers. `key` is what it is
    bound under: its name, unless that has another reading too."""

    __slots__ = ("is_final", "key", "name", "other", "role", "state", "step")

    def __init__(
        self, name: str, role: Role, state: int = -1, other: int = -1, key: str = ""
    ) -> None:
        self.name = name
        self.key = key or name
        self.role = role
        self.state = state
        self.other = other
        self.is_final = role in _FINAL
        # Its step, made when it is first wanted.
        self.step: Step | None = None

    def __repr__(self) -> str:
        return f"<HandlerCall {self.name}>"


def read_handler_name(schema: Schema, name: str) -> HandlerCall | None:
    """The reading of a handler name (or of the key of one), or None if it is none.

    :raises HandlerError: if it has two readings.
    """
    known: dict[str, HandlerCall | None] = schema.handler_names
    if name not in known:
        if name.endswith(")"):
            handler, _, state = name[:-1].partition("(")
            role = SUFFIXES.get(handler.removeprefix(state))
            # Names come from other processes, too.
            if role is None or state not in schema.index or not handler.startswith(state):
                return None
            return read_handler_key(schema, state, role)
        readings = _readings(schema.index, name)
        if len(readings) > 1:
            told = " and ".join(f"{r.role.value} of {schema.names[r.state]}" for r in readings)
            raise HandlerError(
                f"handler name {name} is ambiguous: {told}; bind it by a key, "
                'as in bind({("Foo", "enter"): fn})'
            )
        known[name] = readings[0] if readings else None
    return known[name]


def read_handler_key(schema: Schema, state: str, role: Role) -> HandlerCall:
    """The handler of a state and a role (Enter, Exit, State or End), which no other reading of its
    name disturbs.

    :raises UnknownStateError: if the name is not a state.
    """
    (index,) = schema.indexes((state,))
    name = schema.names[index] + role.value
    known: dict[str, HandlerCall | None] = schema.handler_names
    # A name is known by itself only where it has no other reading.
    found = known.get(name)
    if found is not None:
        return found
    key = f"{name}({schema.names[index]})"
    found = known.get(key)
    if found is not None:
        return found
    if len(_readings(schema.index, name)) == 1:
        found = read_handler_name(schema, name)
        assert found is not None
        return found
    found = known[key] = HandlerCall(name, role, index, key=key)
    return found


def read_prefixed_name(schema: Schema, name: str, prefix: str) -> HandlerCall | None:
    """The reading of a handler name by states of which a prefix is left out; `Exception` and the
    `Any` handlers have none.

    :raises HandlerError: if it has two readings.
    """
    local = {
        full.removeprefix(prefix): i
        for full, i in schema.index.items()
        if full.startswith(prefix) and full != prefix
    }
    local["Exception"] = schema.index["Exception"]
    readings = _readings(local, name)
    if not readings:
        return None
    if len(readings) > 1:
        raise HandlerError(f"handler name {name} is ambiguous below the prefix {prefix}")
    found, names = readings[0], schema.names
    if found.role in (Role.PAIR, Role.SELF):
        return read_handler_name(schema, names[found.other] + names[found.state])
    if found.state < 0:
        return read_handler_name(schema, name)
    return read_handler_key(schema, names[found.state], found.role)


def _readings(index: Mapping[str, int], name: str) -> list[HandlerCall]:
    found = []
    for role in (Role.ANY_ENTER, Role.ANY_STATE):
        if name == role.value:
            found.append(HandlerCall(name, role))
    for suffix, role in SUFFIXES.items():
        state = index.get(name.removesuffix(suffix)) if name.endswith(suffix) else None
        if state is not None:
            found.append(HandlerCall(name, role, state))
    for cut in range(1, len(name)):
        other = index.get(name[:cut])
        state = index.get(name[cut:]) if other is not None else None
        if other is not None and state is not None:
            role = Role.SELF if other == state else Role.PAIR
            found.append(HandlerCall(name, role, state, other))
    return found


def mistyped(name: str) -> str | None:
    """The missing state of a name that looks like a handler's, else None (the typo guard)."""
    if not name[:1].isupper():
        return None
    for suffix in SUFFIXES:
        if name.endswith(suffix) and len(name) > len(suffix):
            return name.removesuffix(suffix)
    return None


class HandlerTable:
    """The handler names bound on a machine, arranged so that a transition finds its own fast."""

    __slots__ = ("_any_enter", "_any_state", "_by_role", "_masks", "_pair_masks", "_pairs", "any")

    def __init__(self, schema: Schema, names: Iterable[str]) -> None:
        self._by_role: dict[Role, dict[int, HandlerCall]] = {role: {} for role in Role}
        self._masks = dict.fromkeys(Role, 0)
        # other -> mask of states with a pair handler, and the handlers
        self._pair_masks: dict[int, int] = {}
        self._pairs: dict[tuple[int, int], HandlerCall] = {}
        self._any_enter: HandlerCall | None = None
        self._any_state: HandlerCall | None = None
        for name in names:
            call = read_handler_name(schema, name)
            assert call is not None, name
            self._put(call, schema.bits)
        self.any = bool(self._masks[Role.PAIR] or any(self._masks.values())) or bool(
            self._any_enter or self._any_state
        )

    def _put(self, call: HandlerCall, bits: Sequence[int]) -> None:
        if call.role is Role.ANY_ENTER:
            self._any_enter = call
        elif call.role is Role.ANY_STATE:
            self._any_state = call
        elif call.role is Role.PAIR:
            self._pairs[call.other, call.state] = call
            self._pair_masks[call.other] = self._pair_masks.get(call.other, 0) | bits[call.state]
            self._masks[Role.PAIR] |= bits[call.other]
        else:
            self._by_role[call.role][call.state] = call
            self._masks[call.role] |= bits[call.state]

    def exits(self, exits: Sequence[int]) -> list[HandlerCall]:
        """`sExit` handlers of states to be left."""
        return self._of(Role.EXIT, exits)

    def enters(self, enters: Sequence[int]) -> list[HandlerCall]:
        """`sEnter` handlers of states to be entered."""
        return self._of(Role.ENTER, enters)

    def selfs(self, target: Sequence[int], before: int, bits: Sequence[int]) -> list[HandlerCall]:
        """`ss` handlers of target states that were active before."""
        if not self._masks[Role.SELF] & before:
            return []
        calls = self._by_role[Role.SELF]
        return [calls[i] for i in target if i in calls and before & bits[i]]

    def pairs(self, before: int, target: Sequence[int]) -> list[HandlerCall]:
        """`bt` handlers from each state active before to each target state."""
        owners = self._masks[Role.PAIR] & before
        if not owners:
            return []
        pairs = self._pairs
        return [pairs[b, t] for b in bits_of(owners) for t in target if b != t and (b, t) in pairs]

    def any_enter(self) -> list[HandlerCall]:
        """`AnyEnter`, if bound."""
        return [self._any_enter] if self._any_enter else []

    def votes(
        self, kind: str, exits: Sequence[int], enters: Sequence[int], target: Sequence[int],
        before: int, bits: Sequence[int],
    ) -> tuple[HandlerCall, ...]:  # fmt: skip
        """All negotiation handlers of a transition, in calling order."""
        if not self.any:
            return ()
        selfs = [] if kind == "remove" else self.selfs(target, before, bits)
        return (
            *self.exits(exits),
            *self.enters(enters),
            *selfs,
            *self.pairs(before, target),
            *self.any_enter(),
        )

    def finals(self, exits: Sequence[int], enters: Sequence[int]) -> tuple[HandlerCall, ...]:
        """All final handlers of a transition, in calling order: Ends, States, AnyState."""
        if not self.any:
            return ()
        last = [self._any_state] if self._any_state else []
        return (*self._of(Role.END, exits), *self._of(Role.STATE, enters), *last)

    def _of(self, role: Role, states: Sequence[int]) -> list[HandlerCall]:
        calls = self._by_role[role]
        return [calls[i] for i in states if i in calls] if calls else []
