"""Docstrings as the reference reads them.

Most say `:raises X: if …`; some have a paragraph `Args:` or `Raises:` instead. And an option of a
class of options says what it is for where it is declared, in no docstring at all.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

from griffe import Attribute, Docstring, ExprCall, ExprKeyword, Extension, Module, Object, Parser

if TYPE_CHECKING:
    from collections.abc import Iterator

    from griffe import GriffeLoader

PARAGRAPH = re.compile(r"^ *(?:Args|Raises):$", re.MULTILINE)
# Several arguments that are told of together, and all that is told.
TOGETHER = re.compile(r"^( +)(\w+(?:, \w+)+): (.+(?:\n\1 +.+)*)", re.MULTILINE)


def style(text: str) -> str:
    """How a docstring tells of arguments and errors, as mkdocstrings calls it."""
    return "google" if PARAGRAPH.search(text) else "sphinx"


class Docstrings(Extension):
    """Has each docstring read in its own way, and gives options theirs."""

    def on_package(self, *, pkg: Module, loader: GriffeLoader, **kwargs: Any) -> None:
        """Change the docstrings of a package once it was read."""
        for member in members(pkg):
            if isinstance(member, Attribute) and member.docstring is None:
                describe(member)
            if member.docstring is not None:
                how = style(member.docstring.value)
                member.docstring.parser = Parser(how)
                if how == "google":
                    member.docstring.value = TOGETHER.sub(_apart, member.docstring.value)


def _apart(match: re.Match[str]) -> str:
    indent, names, told = match.groups()
    return "\n".join(f"{indent}{name}: {told}" for name in names.split(", "))


def members(owner: Object) -> Iterator[Object]:
    """Whatever is defined in a module or class, all the way down."""
    for member in owner.members.values():
        if isinstance(member, Object):
            yield member
            yield from members(member)


def describe(attribute: Attribute) -> None:
    """Say of an option what `option(unit, meaning, default=…)` says."""
    value = attribute.value
    if not isinstance(value, ExprCall) or str(value.function) != "option":
        return
    unit, meaning, default = value.arguments
    told = ast.literal_eval(str(meaning))
    told = f"{told[0].upper()}{told[1:]}."
    named = ast.literal_eval(str(unit))
    attribute.docstring = Docstring(f"{told} Unit: {named}." if named else told, parent=attribute)
    if isinstance(default, ExprKeyword):
        attribute.value = default.value
