"""What can be done with the public names, and where that is seen: `python -m docs.site.features`.

A feature is a method or a property of a public class, or a keyword of a public function or of a
class, but for what `docs.site.inner` lists and for what a base has already. Pages and examples are
looked through for attributes and keywords of that name, in code that is run: which object they
belong to cannot be told from text. Each is shown somewhere.
"""

from __future__ import annotations

import ast
import dataclasses
import enum
import inspect
import os
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docs.site.inner import inner
from docs.site.names import public_names
from docs.site.sources import LAYERS, ROOT, pages, title
from docs.site.usage import PYTHON, parsed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PAGE = Path("docs/reference/features.md")
# What machines call, not users: hooks are named by their moments, handlers by their states.
HANDLERS = ("Enter", "Exit", "State", "End")


@dataclass(frozen=True)
class Feature:
    """One of them: whose it is, and its name, which ends in `=` if it is a keyword."""

    owner: str
    name: str

    @property
    def path(self) -> str:
        """As the table writes it."""
        if self.name.endswith("="):
            return f"{self.owner}({self.name}…)"
        return f"{self.owner}.{self.name}"


def features() -> list[Feature]:
    """All of them, in the order of the public names."""
    found: list[Feature] = []
    for name in public_names():
        value = name.value()
        if value is None:
            continue  # it needs an engine
        offered = [*members(value)] if isinstance(value, type) else []
        if callable(value):
            offered += [f"{keyword}=" for keyword in keywords(value)]
        left_out = inner(name.path)
        found += [Feature(name.path, one) for one in offered if one not in left_out]
    return found


def members(cls: type[Any]) -> Iterator[str]:
    """Methods and properties that a class has itself or from rooms of its package, but for what
    others call."""
    if issubclass(cls, enum.Enum | BaseException):
        return
    known = {name for base in cls.__mro__[1:] if is_seen(base) for name in vars(base)}
    for owner in (cls, *hidden_bases(cls)):
        for name, value in vars(owner).items():
            is_one = inspect.isroutine(value) or isinstance(
                value, property | staticmethod | classmethod
            )
            if is_one and not (name in known or name.startswith("_") or name.endswith(HANDLERS)):
                known.add(name)
                yield name


@cache
def offered() -> frozenset[type[Any]]:
    """The classes that public names stand for."""
    values = [name.value() for name in public_names()]
    return frozenset(value for value in values if isinstance(value, type))


def is_ours(cls: type[Any]) -> bool:
    """Whether a class is of one of the packages."""
    return cls.__module__.partition(".")[0] in {f"am_{layer}" for layer in LAYERS}


def is_seen(cls: type[Any]) -> bool:
    """Whether a class is public, ours or another library's, so that its members are told of."""
    if is_ours(cls):
        return cls in offered()
    return not any(part.startswith("_") for part in f"{cls.__module__}.{cls.__name__}".split("."))


def hidden_bases(cls: type[Any]) -> list[type[Any]]:
    """The bases whose members only this class tells of: those of no public name, as far as no
    public base has them. The nearest comes first."""
    told = {base for seen in cls.__mro__[1:] if is_seen(seen) for base in seen.__mro__}
    return [base for base in cls.__mro__[1:] if base not in told]


def keywords(value: Any) -> Iterator[str]:
    """Keywords of a function, or of a class that is no mere record of values."""
    is_record = dataclasses.is_dataclass(value) or hasattr(value, "_fields")
    if is_record or (isinstance(value, type) and issubclass(value, enum.Enum | BaseException)):
        return
    try:
        parameters = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return
    for parameter in parameters:
        if parameter.kind is parameter.KEYWORD_ONLY and not parameter.name.startswith("_"):
            yield parameter.name


def said(tree: ast.Module) -> Iterator[str]:
    """Attributes that code reads, or defines for others to call, and keywords that it gives."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.keyword) and node.arg:
            yield f"{node.arg}="
        elif isinstance(node, ast.MatchClass):
            yield from node.kwd_attrs


@cache
def shown(root: Path) -> Mapping[str, Path]:
    """Every attribute and keyword in code that is run, and the first page that has it."""
    found: dict[str, Path] = {}
    for page in pages(root):
        blocks = PYTHON.findall((root / page).read_text())
        if page.parts[0] == "examples":
            blocks += [path.read_text() for path in (root / page).parent.glob("*.py")]
        for tree in parsed(blocks):
            for name in said(tree):
                found.setdefault(name, page)
    return found


def holes(root: Path = ROOT) -> list[str]:
    """Features that no page and no example shows."""
    known = shown(root)
    return [feature.path for feature in features() if feature.name not in known]


def table(root: Path = ROOT) -> str:
    """The list, in Markdown, with a chapter for each package."""
    known = shown(root)
    titles = {page: title((root / page).read_text()) for page in set(known.values())}
    every = features()
    lines: list[str] = []
    for layer in LAYERS:
        own = [one for one in every if one.owner.partition(".")[0] == f"am_{layer}"]
        lines += [f"## am-{layer}", "", "| feature | seen in |", "| ------- | ------- |"]
        for feature in own:
            page = known.get(feature.name)
            link = ""
            if page is not None:
                path = os.path.relpath(root / page, root / PAGE.parent)
                link = f"[{titles[page].partition(':')[0]}]({path})"
            lines.append(f"| `{feature.path}` | {link} |")
        lines.append("")
    return "\n".join(lines)


def main() -> int:
    """Print the list, and how many features are seen nowhere."""
    print(table())
    print(f"{len(features())} features, {len(holes())} of them seen nowhere")
    return 0


if __name__ == "__main__":
    sys.exit(main())
