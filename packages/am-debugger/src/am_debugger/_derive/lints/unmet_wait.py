"""A wait that nobody can satisfy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import am_machine as am

    from .watch import Case

LEAST = 60_000_000
"""Microseconds after which a wait for what was never called looks wrong."""
_ALL = "when"
# A wait for another state may well last as long as the program; these are to come soon.
_EXPECTED = frozenset(("Ready", "Connected"))
_SECOND = 1_000_000


def unmet_wait(case: Case) -> Iterator[Finding]:
    """Waits for states that exclude each other, and old ones for `Ready` or `Connected` where
    nothing leads there; of machines that were asked what they wait for."""
    client = case.client
    if client.pending is None or client.gone_at is not None:
        return
    schema = case.version.schema.schema
    called = _called_ever(case)
    for item in client.pending.items:
        words = item.label.partition(" ")[0]
        states = [name for name in item.states if name in schema.index]
        if item.kind != "wait" or words != _ALL or not states:
            continue
        clash = exclusive(schema, states)
        age = 0 if item.age is None else item.age
        if clash is not None:
            why = f"{clash[0]} removes {clash[1]}, so they are never active together"
        else:
            why = ""
            expected = [name for name in states if name in _EXPECTED]
            if age >= LEAST and expected:
                why = _dead_end(case, schema, expected, called)
        if why:
            waited = f" for {age // _SECOND} s" if age else ""
            what = f"a wait for {' '.join(states)}{waited} that nobody can satisfy"
            yield Finding("unmet-wait", client, client.last, states[0], what, (why,))


def closure(schema: am.Schema, states: Sequence[str]) -> list[str]:
    """States, and all that they require."""
    found = list(dict.fromkeys(states))
    for name in found:
        found += [str(one) for one in schema[name].require if one not in found]
    return found


def exclusive(schema: am.Schema, states: Sequence[str]) -> tuple[str, str] | None:
    """Two of the states, or of what they require, of which one removes the other."""
    needed = closure(schema, states)
    for name in needed:
        for other in schema[name].remove:
            if other in needed and other != name:
                return name, str(other)
    return None


def _called_ever(case: Case) -> set[str]:
    names = case.version.names
    return {
        names[i]
        for chunk in case.client.columns.chunks
        for call in chunk.calls
        for i in call.states
        if i < len(names)
    }


def _dead_end(case: Case, schema: am.Schema, states: Sequence[str], called: set[str]) -> str:
    """A state that is inactive, was never called, and that nothing else leads to."""
    if case.client.first > 1:
        return ""  # it may have been called before
    active = set(case.active)
    piped = {pipe.state for pipe in case.version.pipes if pipe.direction == "in"}
    for name in closure(schema, states):
        if name in active or name in called or schema[name].auto or name in piped:
            continue
        if not schema.inbound(name).get("add"):
            needed = "" if name in states else f", which {' '.join(states)} requires"
            return f"nothing has ever called {name}{needed}"
    return ""
