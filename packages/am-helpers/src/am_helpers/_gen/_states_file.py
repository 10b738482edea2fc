"""A States class as source text. The same input gives the same bytes, on any platform.

The text is a fixed point of ``ruff format`` with lines of 100 characters, so what does not fit into
a line is split the way that ruff splits it.
"""

from __future__ import annotations

import re
from types import new_class
from typing import TYPE_CHECKING, Any

import am_machine as am

from ._bases import Base, GenError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._specs import GroupSpec, StateSpec

LINE = 100
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
_DOC = 'doc="What it means."'


def file_name(name: str) -> str:
    """Return the name of the file for a machine's name.

    :raises GenError: if it is not a valid name.
    """
    if not _NAME.fullmatch(name):
        raise GenError(f"{name!r} is no name for a machine: letters, digits and _, at most 40")
    return f"ss_{name.lower()}.py"


def states_file(
    name: str, states: Sequence[StateSpec], bases: Sequence[Base], groups: Sequence[GroupSpec]
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
    class_name: str, states: Sequence[StateSpec], bases: Sequence[Base], groups: Sequence[GroupSpec]
) -> None:
    names = [state.name for state in states]
    for what, given in (
        ("state", names),
        ("group", [group.name for group in groups]),
        ("base", [base.name for base in bases]),
    ):
        for twice in sorted({name for name in given if given.count(name) > 1}):
            raise GenError(f"{what} {twice} is given twice")
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
    own = {}
    for spec in states:
        options: dict[str, Any] = dict.fromkeys(spec.properties, True) | dict(spec.relations)
        own[spec.name] = am.State(**options)
    try:
        made = new_class(
            class_name,
            (*(base.states for base in bases), am.States),
            exec_body=lambda body: body.update(own),
        )
        known = made.schema()  # type: ignore[attr-defined]
    except (TypeError, am.SchemaError) as exc:
        raise GenError(f"the states do not go together: {exc}") from exc
    for group in groups:
        for member in group.members:
            if member not in known:
                raise GenError(f"group {group.name} has an unknown state {member}")


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


def _groups(bases: Sequence[Base], groups: Sequence[GroupSpec]) -> list[str]:
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
    items = [f"{prop}=True" for prop in state.properties]
    items += [f"{kind}=[{_texts(names)}]" for kind, names in state.relations]
    items.append(_DOC)
    head, in_brackets = f"    {state.name} = am.State(", f"    {state.name} = ("
    if len(head) > LINE >= len(in_brackets):
        return [in_brackets, *_call("        am.State(", items, ")", "        "), "    )"]
    return _call(head, items, ")", "    ")


def _texts(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _group(group: GroupSpec) -> list[str]:
    head = f"        {group.name}: tuple[str, ...] = ("
    if not group.members:
        if len(head) < LINE:
            return [f"{head})"]
        return [f"        {group.name}: tuple[", "            str, ...", "        ] = ()"]
    comma = "," if len(group.members) == 1 else ""
    whole = f"{head}{_texts(group.members)}{comma})"
    if len(whole) <= LINE:
        return [whole]
    return [head, *(f'            "{name}",' for name in group.members), "        )"]


def _call(head: str, items: Sequence[str], tail: str, indent: str) -> list[str]:
    """Items in brackets: on one line, else together on the next, else a line each."""
    whole = f"{head}{', '.join(items)}{tail}"
    if len(whole) <= LINE:
        return [whole]
    inside = f"{indent}    {', '.join(items)}"
    if len(inside) <= LINE:
        return [head, inside, f"{indent}{tail}"]
    lines = [line for item in items for line in _item(f"{indent}    ", item)]
    return [head, *lines, f"{indent}{tail}"]


def _item(indent: str, item: str) -> list[str]:
    """One item on a line of its own; a list that is too long for it has a line for each member."""
    whole = f"{indent}{item},"
    if len(whole) <= LINE or not item.endswith("]"):
        return [whole]
    head, _, members = item[:-1].partition("[")
    inside = (f"{indent}    {member}," for member in members.split(", "))
    return [f"{indent}{head}[", *inside, f"{indent}],"]
