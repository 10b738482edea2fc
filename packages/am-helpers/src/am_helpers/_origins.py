"""Where the states of a schema come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import am_machine as am

if TYPE_CHECKING:
    from collections.abc import Iterator


def origins(schema: am.Schema | type[am.States]) -> dict[str, str]:
    """Return, for each inherited state, the name of the class that defines it.

    A compiled schema is matched with its States class, if that is still there; states of a dict
    schema are not inherited.
    """
    cls = schema if isinstance(schema, type) else _class_of(schema)
    if cls is None:
        return {}
    found = {}
    for name in cls.names():
        owner = next((base for base in cls.__mro__ if name in vars(base)), cls)
        if owner is not cls:
            found[name] = owner.__name__
    return found


def _class_of(schema: am.Schema) -> type[am.States] | None:
    names = tuple(schema)
    for cls in _subclasses(am.States):
        # Comparing names first, since a schema is compiled when it is asked for.
        if cls.names() == names and cls.schema() is schema:
            return cls
    return None


def _subclasses(cls: type[am.States]) -> Iterator[type[am.States]]:
    for sub in cls.__subclasses__():
        yield sub
        yield from _subclasses(sub)
