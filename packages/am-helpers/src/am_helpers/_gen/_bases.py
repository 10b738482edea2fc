"""The schemas that a generated class may inherit: those of this package, and installed ones."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import entry_points

import am_machine as am

from .._schemas import Basic, Connected, ConnPool, Disposed

SCHEMA_GROUP = "am_helpers.schemas"
BUILT_IN: dict[str, type[am.States]] = {
    "basic": Basic,
    "connected": Connected,
    "connpool": ConnPool,
    "disposed": Disposed,
}


class GenError(Exception):
    """The command cannot be carried out; the text says what to change."""


@dataclass(frozen=True, slots=True)
class Base:
    """A class to inherit, and where it is imported from."""

    module: str
    name: str
    states: type[am.States]

    @property
    def has_groups(self) -> bool:
        """Whether it has an inner class `Groups`, its own or inherited."""
        return isinstance(getattr(self.states, "Groups", None), type)


def find_base(key: str) -> Base:
    """Return the base of that name, built in or installed.

    :raises GenError: if there is none, or it cannot be loaded.
    """
    if key in BUILT_IN:
        return Base("am_helpers", BUILT_IN[key].__name__, BUILT_IN[key])
    for point in entry_points(group=SCHEMA_GROUP):
        if point.name != key:
            continue
        try:
            loaded = point.load()
        except Exception as exc:
            raise GenError(f"base {key} cannot be loaded: {exc}") from exc
        if not (isinstance(loaded, type) and issubclass(loaded, am.States)):
            raise GenError(f"base {key} is no States class: {point.value}")
        return Base(point.module, point.attr, loaded)
    known = sorted({*BUILT_IN, *(point.name for point in entry_points(group=SCHEMA_GROUP))})
    raise GenError(f"unknown base {key!r}; known are {', '.join(known)}")
