"""Which public names a page or an example uses, by what its code imports.

A word is not enough: `run` and `Time` are words of any program. A name is used where it is imported
from one of the packages, read as an attribute of one, or written as `package:name` for a command;
what Jupyter calls is used where Jupyter is told to.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from functools import cache
from typing import TYPE_CHECKING

from docs.site.names import listed, modules, names_in_source
from docs.site.sources import LAYERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

PYTHON = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
CONSOLE = re.compile(r"^```(?:console|sh|text)\n(.*?)^```", re.DOTALL | re.MULTILINE)
MAGIC = re.compile(r"%((?:un)?load)_ext (am_\w+)")
OBJECT = re.compile(r"\b(am_\w+(?:\.\w+)*):(\w+)")


@cache
def homes() -> dict[str, str]:
    """Each way to write a public name, with the way the reference writes it: where it is first."""
    found: dict[str, str] = {}
    for layer in LAYERS:
        first: dict[int, str] = {}
        for where in modules(f"am_{layer}"):
            try:
                module = importlib.import_module(where)
            except ModuleNotFoundError:
                # It needs an engine.
                found |= {name.path: name.path for name in names_in_source(where)}
                continue
            for name in listed(module):
                value = getattr(module, name)
                path = f"{where}.{name}"
                is_one = isinstance(value, type) or inspect.isroutine(value)
                found[path] = first.setdefault(id(value), path) if is_one else path
    return found


def dotted(node: ast.expr) -> list[str] | None:
    """`a.b.c` as its parts; None for what is no such thing."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return [node.id, *reversed(parts)] if isinstance(node, ast.Name) else None


def mentioned(trees: Iterable[ast.Module]) -> Iterator[str]:
    """Dotted names of the packages that code of one namespace mentions."""
    nodes = [node for tree in trees for node in ast.walk(tree)]
    known: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                whole = alias.name if alias.asname else alias.name.partition(".")[0]
                known[alias.asname or whole] = whole
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                known[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    yield from known.values()
    for node in nodes:
        parts = dotted(node) if isinstance(node, ast.Attribute) else None
        if parts and parts[0] in known:
            yield ".".join([known[parts[0]], *parts[1:]])


def parsed(blocks: Iterable[str]) -> Iterator[ast.Module]:
    """Code as trees, without what is no whole program."""
    for block in blocks:
        try:
            yield ast.parse(block)
        except SyntaxError:
            continue


def used(page: Path, sources: Iterable[Path] = ()) -> set[str]:
    """The public names that a page's blocks use, and these sources, as the reference has them."""
    text = page.read_text()
    found = {*mentioned(parsed(PYTHON.findall(text)))}
    for source in sources:
        code = source.read_text()
        found |= {*mentioned(parsed([code]))}
        found |= {f"{module}.{verb}_ipython_extension" for verb, module in MAGIC.findall(code)}
    for block in CONSOLE.findall(text):
        found |= {f"{module}.{name}" for module, name in OBJECT.findall(block)}
    known = homes()
    return {known[name] for name in found if name in known}
