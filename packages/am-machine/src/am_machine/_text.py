"""Text of values and of machines; the formats of machines are public, byte for byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._engine.base import BaseMachine


def text_of(value: object) -> str:
    """`str(value)`, with a placeholder where that raises: what is told must not fail."""
    try:
        return str(value)
    except Exception as exc:
        return f"<{type(value).__name__} whose text raises {type(exc).__name__}>"


def repr_of(value: object) -> str:
    """`repr(value)`, likewise."""
    try:
        return repr(value)
    except Exception as exc:
        return f"<{type(value).__name__} whose repr raises {type(exc).__name__}>"


def short(machine: BaseMachine) -> str:
    """Active states with their ticks: `(Foo:1 Bar:3)`."""
    return f"({_ticks(machine, machine.active)})"


def full(machine: BaseMachine) -> str:
    """Active states, then inactive ones: `(Foo:1) [Bar:0 Exception:0]`."""
    active = set(machine.active)
    idle = [name for name in machine.schema.names if name not in active]
    return f"({_ticks(machine, machine.active)}) [{_ticks(machine, idle)}]"


def _ticks(machine: BaseMachine, names: Iterable[str]) -> str:
    return " ".join([f"{name}:{machine.tick(name)}" for name in names])


def inspection(machine: BaseMachine, names: Iterable[str]) -> str:
    """Each state with its tick, properties and relations, a line each."""
    lines = []
    for name in names:
        state = machine.schema[name]
        lines.append(f"{int(machine.is_(name))} {name}")
        rows = [
            ("Tick", str(machine.tick(name))),
            ("Auto", "true" if state.auto else ""),
            ("Multi", "true" if state.multi else ""),
            ("Add", " ".join(state.add)),
            ("Require", " ".join(state.require)),
            ("Remove", " ".join(state.remove)),
            ("After", " ".join(state.after)),
        ]
        lines += [f"    |{label:<9}{value}" for label, value in rows if value]
    return "".join([line + "\n" for line in lines])
