"""What the command line says of states and groups: ``A:require(B;C):multi``, ``Group1(A;B)``."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass

from ._bases import GenError

_STATE = re.compile(r"[A-Z][A-Za-z0-9_]{0,127}")
_PART = re.compile(r"([A-Za-z0-9_]*)\(([^()]*)\)")
_PROPERTIES = ("auto", "multi")
_RELATIONS = ("require", "add", "remove", "after")
# Names with a meaning in a States body or in the engine.
_RESERVED = {"Any", "Groups", *keyword.kwlist}


@dataclass(frozen=True, slots=True)
class StateSpec:
    """One state of the command line: ``Name:auto:multi:require(B;C)``."""

    name: str
    properties: tuple[str, ...]
    relations: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Kind and names, in the order in which `am.State` has its keywords."""

    @classmethod
    def parse(cls, text: str) -> StateSpec:
        """Read one state.

        :raises GenError: if the name is no state's, or a property or relation is unknown or given
            twice.
        """
        name, *parts = text.strip().split(":")
        check_name(name, "state")
        properties, relations = [], {}
        for part in parts:
            kind, members = _members(part)
            if members is None and kind in _PROPERTIES:
                properties.append(kind)
            elif members is not None and kind in _RELATIONS:
                if kind in relations:
                    raise GenError(f"state {name} has {kind} twice")
                relations[kind] = _checked(members, f"{kind} of state {name}")
            else:
                known = f"{' or '.join(_PROPERTIES)}, or as require(B;C): {', '.join(_RELATIONS)}"
                raise GenError(f"state {name} has an unknown property {part!r}: {known}")
        if len(set(properties)) != len(properties):
            raise GenError(f"state {name} has a property twice")
        return cls(
            name,
            tuple(p for p in _PROPERTIES if p in properties),
            tuple((kind, relations[kind]) for kind in _RELATIONS if kind in relations),
        )


@dataclass(frozen=True, slots=True)
class GroupSpec:
    """One group of the command line: ``Name``, or with its members, ``Name(A;B)``."""

    name: str
    members: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> GroupSpec:
        """Read one group.

        :raises GenError: if a name is none, or a member is given twice.
        """
        name, members = _members(text.strip())
        check_name(name, "group")
        return cls(name, _checked(members or (), f"group {name}"))


def check_name(name: str, what: str) -> None:
    """Make sure that a name is one.

    :raises GenError: if it is not.
    """
    if not _STATE.fullmatch(name):
        raise GenError(f"{name!r} is no name for a {what}: a capital, then letters, digits or _")
    if name in _RESERVED:
        raise GenError(f"{name} is a reserved word, no name for a {what}")


def _members(text: str) -> tuple[str, tuple[str, ...] | None]:
    found = _PART.fullmatch(text)
    if found is None:
        return text, None
    return found[1], tuple(name.strip() for name in found[2].split(";") if name.strip())


def _checked(names: tuple[str, ...], where: str) -> tuple[str, ...]:
    for name in names:
        if name != "Exception":  # every class has it
            check_name(name, "state")
    if len(set(names)) != len(names):
        raise GenError(f"{where} has a state twice")
    return names
