"""Docstrings as the reference reads them.

Most say `:raises X: if …`; some have a paragraph `Args:` or `Raises:` instead. And an option of a
class of options says what it is for where it is declared, in no docstring at all.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

from griffe import Attribute, Docstring, ExprCall, Extension, Module, Object, Parser

if TYPE_CHECKING:
    from collections.abc import Iterator

    from griffe import GriffeLoader

PARAGRAPH = re.compile(r"^ *(?:Args|Raises):$", re.MULTILINE)


def style(text: str) -> str:
    """How a docstring tells of arguments and errors, as mkdocstrings calls it."""
    return "google" if PARAGRAPH.search(text) else "sphinx"


class Docstrings(Extension):
    """Has each docstring read in its own way, and gives options theirs."""

    def on_package(self, *, pkg: Module, loader: GriffeLoader, **kwargs: Any) -> None:
        """Change the docstrings of a package once it was read."""
        for member in members(pkg):
            if isinstance(member, Attribute) and member.docstring is None:
                member.docstring = described(member)
            if member.docstring is not None:
                member.docstring.parser = Parser(style(member.docstring.value))


def members(owner: Object) -> Iterator[Object]:
    """Whatever is defined in a module or class, all the way down."""
    for member in owner.members.values():
        if isinstance(member, Object):
            yield member
            yield from members(member)


def described(attribute: Attribute) -> Docstring | None:
    """What `option(unit, meaning, default=…)` says of an attribute; None if it is no option."""
    value = attribute.value
    if not isinstance(value, ExprCall) or str(value.function) != "option":
        return None
    unit, meaning, *_ = (ast.literal_eval(str(argument)) for argument in value.arguments[:2])
    told = f"{meaning[0].upper()}{meaning[1:]}."
    return Docstring(f"{told} Unit: {unit}." if unit else told, parent=attribute)
