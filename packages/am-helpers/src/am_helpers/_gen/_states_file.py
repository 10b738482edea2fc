"""A States class as source text. The same input gives the same bytes, on any platform.

The text is a fixed point of ``ruff format`` with lines of 100 characters, so what does not fit into
a line is split the way that ruff splits it.
"""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from types import new_class
from typing import TYPE_CHECKING

import am_machine as am

from ._bases import Base, GenError

if TYPE_CHECKING:
    from collections.abc import Sequence

LINE = 100
_STATE = re.compile(r"[A-Z][A-Za-z0-9_]{0,127}")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
_PROPERTIES = ("auto", "multi")
# Names with a meaning in a States body or in the engine.
_RESERVED = {"Any", "Groups", *keyword.kwlist}
_DOC = 'doc="What it means."'


@dataclass(frozen=True, slots=True)
class StateSpec:
    """One state of the command line: ``Name:auto:multi``."""

    name: str
    properties: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> StateSpec:
        """Read one state.

        :raises GenError: if the name is no state's, or a property is unknown or given twice.
        """
        name, *properties = text.strip().split(":")
        _check_name(name, "state")
        for prop in properties:
            if prop not in _PROPERTIES:
                raise GenError(f"state {name} has an unknown property {prop!r}: auto or multi")
        if len(set(properties)) != len(properties):
            raise GenError(f"state {name} has a property twice")
        return cls(name, tuple(p for p in _PROPERTIES if p in properties))


def file_name(name: str) -> str:
    """Return the name of the file for a machine's name.

    :raises GenError: if it is not a valid name.
    """
    if not _NAME.fullmatch(name):
        raise GenError(f"{name!r} is no name for a machine: letters, digits and _, at most 40")
    return f"ss_{name.lower()}.py"


def states_file(
    name: str, states: Sequence[StateSpec], bases: Sequence[Base], groups: Sequence[str]
) -> str:
    """Return the source of a module with the class ``<Name>States``.

    :raises GenError: if names are invalid or taken, or the bases do not go together.
    """
    file_name(name)
    class_name = f"{name[0].upper()}{name[1:]}States"
    _check(class_name, states, bases, groups)
    lines = [f'"""States of {name}."""', "", *_imports(bases), ""]
    lines += [f'__all__ = ["{class_name}"]', "", ""]
    parents = [*(base.name for base in bases), "am.States"]
    lines += _call(f"class {class_name}(", parents, "):", "")
    lines += [f'    """States of {name}."""']
    if states:
        lines.append("")
    for state in states:
        lines += _assignment(state)
    lines += _groups(bases, groups)
    return "\n".join(lines) + "\n"


def _check(
    class_name: str, states: Sequence[StateSpec], bases: Sequence[Base], groups: Sequence[str]
) -> None:
    names = [state.name for state in states]
    for what, given in (
        ("state", names),
        ("group", list(groups)),
        ("base", [base.name for base in bases]),
    ):
        for twice in sorted({name for name in given if given.count(name) > 1}):
            raise GenError(f"{what} {twice} is given twice")
    for group in groups:
        _check_name(group, "group")
    for base in bases:
        if base.name == class_name:
            raise GenError(f"{class_name} would hide its base of the same name")
        for taken in names:
            # Without Exception: every class has it, and Basic's is a definition of its own.
            if taken in base.states.names() and not (
                taken == "Exception" and "Exception" not in vars(base.states)
            ):
                raise GenError(f"state {taken} is inherited from {base.name}")
            if taken == base.name:
                raise GenError(f"state {taken} would hide the base of the same name")
    try:
        made = new_class(class_name, (*(base.states for base in bases), am.States))
        made.schema()  # type: ignore[attr-defined]
    except (TypeError, am.SchemaError) as exc:
        raise GenError(f"the bases do not go together: {exc}") from exc


def _check_name(name: str, what: str) -> None:
    if not _STATE.fullmatch(name):
        raise GenError(f"{name!r} is no name for a {what}: a capital, then letters, digits or _")
    if name in _RESERVED:
        raise GenError(f"{name} is a reserved word, no name for a {what}")


def _imports(bases: Sequence[Base]) -> list[str]:
    lines = ["import am_machine as am"]
    for module in sorted({base.module for base in bases}):
        names = sorted((b.name for b in bases if b.module == module), key=_import_key)
        line = f"from {module} import {', '.join(names)}"
        if len(line) <= LINE:
            lines.append(line)
        else:
            lines += [f"from {module} import (", *(f"    {n}," for n in names), ")"]
    return lines


def _import_key(name: str) -> tuple[str, str]:
    return name.lower(), name


def _groups(bases: Sequence[Base], groups: Sequence[str]) -> list[str]:
    """The inner class; it also settles whose `Groups` is meant if several bases have one."""
    inherited = [f"{base.name}.Groups" for base in bases if base.has_groups]
    if not groups and len(inherited) < 2:
        return []
    if inherited:
        head = _call("    class Groups(", inherited, "):", "    ")
    else:
        head = ["    class Groups:"]
    lines = ["", *head, '        """Named groups of states."""']
    if groups:
        lines.append("")
    return lines + [line for group in groups for line in _group(group)]


def _assignment(state: StateSpec) -> list[str]:
    items = [*(f"{prop}=True" for prop in state.properties), _DOC]
    head, in_brackets = f"    {state.name} = am.State(", f"    {state.name} = ("
    if len(head) > LINE >= len(in_brackets):
        return [in_brackets, f"        am.State({', '.join(items)})", "    )"]
    return _call(head, items, ")", "    ")


def _group(name: str) -> list[str]:
    whole = f"        {name}: tuple[str, ...] = ()"
    if len(whole) <= LINE:
        return [whole]
    return [f"        {name}: tuple[", "            str, ...", "        ] = ()"]


def _call(head: str, items: Sequence[str], tail: str, indent: str) -> list[str]:
    """Items in brackets: on one line, else together on the next, else a line each."""
    whole = f"{head}{', '.join(items)}{tail}"
    if len(whole) <= LINE:
        return [whole]
    inside = f"{indent}    {', '.join(items)}"
    if len(inside) <= LINE:
        return [head, inside, f"{indent}{tail}"]
    return [head, *(f"{indent}    {item}," for item in items), f"{indent}{tail}"]
