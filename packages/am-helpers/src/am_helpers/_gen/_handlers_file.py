"""A base class of handlers as source text: what a type checker needs to know their names by.

Its methods are there for type checkers alone. At run time the class is empty, so that a subclass
binds what it defines itself and nothing else.
"""

from __future__ import annotations

import re
from keyword import iskeyword
from typing import TYPE_CHECKING

from ._bases import GenError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import am_machine as am

LINE = 100
_CLASS = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_VOTE, _ACT = "bool | None", "Awaitable[None] | None"
# What may stand behind a state's name, and what such a handler returns.
_SUFFIXES = {"Exit": _VOTE, "Enter": _VOTE, "End": _ACT, "State": _ACT}
_OF_ANY = {"AnyEnter": _VOTE, "AnyState": _ACT}


def class_name(states: str) -> str:
    """Return the name of the class for the handlers of ``FooStates``: ``FooHandlers``."""
    return f"{states.removesuffix('States')}Handlers"


def handlers_file(name: str, schema: am.Schema, *, pairs: bool = False) -> str:
    """Return the source of a module with the class of that name, for the states of a schema.

    With ``pairs`` it declares the handlers of one state after another, ``FooBar``, as well: as
    many as the square of the states. Names that can be read in two ways are left out, for the
    engine refuses them, too.

    :raises GenError: if it is no name for a class.
    """
    if not _CLASS.fullmatch(name) or iskeyword(name):
        raise GenError(f"{name!r} is no name for a class: a letter, then letters, digits or _")
    known = frozenset(schema.names)
    declared = list(_declared(schema.names, pairs))
    unclear = sorted({handler for handler, _ in declared if _readings(handler, known) > 1})
    lines = [
        f'"""{name}: a base class of handlers, made by `am-gen handlers`."""',
        "",
        "from typing import TYPE_CHECKING",
        "",
        "if TYPE_CHECKING:",
        "    from collections.abc import Awaitable",
        "",
        "    import am_machine as am",
        "",
        f'__all__ = ["{name}"]',
        "",
        "",
        f"class {name}:",
        '    """Override methods with `@override`: type checkers then know names and types.',
        "",
        "    At run time it has no methods, so nothing is bound but what a subclass defines.",
        '    """',
        "",
        "    if TYPE_CHECKING:",
    ]
    for handler in unclear:
        lines.append(f"        # {handler} can be read in two ways: bind it by a key.")
    for handler, returns in declared:
        if handler not in unclear:
            lines += ["", *_method(handler, returns)]
    return "\n".join(lines) + "\n"


def _declared(names: tuple[str, ...], pairs: bool) -> Iterator[tuple[str, str]]:
    """Each handler's name and what it returns."""
    for state in names:
        for suffix, returns in _SUFFIXES.items():
            yield f"{state}{suffix}", returns
    for state in names:
        yield f"{state}{state}", _VOTE
    if pairs:
        for before in names:
            yield from ((f"{before}{after}", _VOTE) for after in names if after != before)
    yield from _OF_ANY.items()


def _readings(name: str, states: frozenset[str]) -> int:
    """In how many ways a name can be read as a handler's."""
    ends = sum(name.removesuffix(s) in states for s in _SUFFIXES if name.endswith(s))
    cuts = sum(name[:at] in states and name[at:] in states for at in range(1, len(name)))
    return ends + cuts + (name in _OF_ANY)


def _method(name: str, returns: str) -> list[str]:
    whole = f"        def {name}(self, event: am.Event) -> {returns}: ..."
    if len(whole) <= LINE:
        return [whole]
    head = f"        def {name}("
    return [head, "            self, event: am.Event", f"        ) -> {returns}: ..."]
