"""Every public name of the seven packages: what modules list in `__all__`."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import pkgutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docs.site.sources import LAYERS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType


@dataclass(frozen=True)
class Name:
    """One public name, where it is imported from."""

    module: str
    name: str
    kind: str
    summary: str

    @property
    def path(self) -> str:
        """As it is written after `import`, and as the reference calls it."""
        return f"{self.module}.{self.name}"

    @property
    def package(self) -> str:
        """The distribution that it belongs to."""
        return self.module.partition(".")[0].replace("_", "-")

    def value(self) -> Any:
        """What it stands for; None if that needs what is too large to come along."""
        try:
            return getattr(importlib.import_module(self.module), self.name)
        except ModuleNotFoundError as exc:
            if str(exc.name).startswith("am_"):
                raise
            return None


def modules(package: str) -> Iterator[str]:
    """A package, and each of its submodules that is public all the way down."""
    yield package
    for found in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        if not any(part.startswith("_") for part in found.name.split(".")):
            yield found.name


def listed(module: ModuleType) -> list[str]:
    """What a module offers: what it lists, or else what it makes itself."""
    made = (n for n, v in vars(module).items() if getattr(v, "__module__", "") == module.__name__)
    every = getattr(module, "__all__", [name for name in made if not name.startswith("_")])
    return sorted(name for name in every if not inspect.ismodule(getattr(module, name, None)))


def kind_of(value: object) -> str:
    """What a name stands for, in a word."""
    if isinstance(value, type):
        return "exception" if issubclass(value, BaseException) else "class"
    return "function" if inspect.isroutine(value) else "value"


def summary_of(value: object) -> str:
    """The first sentence of its docstring; empty for what has none of its own."""
    if not isinstance(value, type) and not inspect.isroutine(value):
        return ""
    text = (inspect.getdoc(value) or "").partition("\n\n")[0]
    return " ".join(text.split())


@cache
def public_names() -> tuple[Name, ...]:
    """All of them, bottom layer first; a name that a root repeats is told of at the root alone."""
    result: list[Name] = []
    for layer in LAYERS:
        seen: set[int] = set()
        for where in modules(f"am_{layer}"):
            try:
                module = importlib.import_module(where)
            except ModuleNotFoundError as exc:
                if str(exc.name).startswith("am_"):
                    raise
                # It needs what is too large to come along, such as an engine.
                result += names_in_source(where)
                continue
            for name in listed(module):
                value = getattr(module, name)
                documented = isinstance(value, type) or inspect.isroutine(value)
                if documented and id(value) in seen:
                    continue
                seen.add(id(value))
                result.append(Name(module.__name__, name, kind_of(value), summary_of(value)))
    return tuple(result)


def names_in_source(module: str) -> Iterator[Name]:
    """The same of a module that cannot be imported here: classes and functions that it imports
    from the rooms of its package."""
    for node in ast.walk(parsed(module)):
        if isinstance(node, ast.ImportFrom) and node.module and node.level:
            room = f"{module.rpartition('.')[0]}.{node.module}"
            wanted = {alias.name for alias in node.names if alias.asname}
            for made in ast.iter_child_nodes(parsed(room)):
                if isinstance(made, (ast.ClassDef, ast.FunctionDef)) and made.name in wanted:
                    kind = "class" if isinstance(made, ast.ClassDef) else "function"
                    text = (ast.get_docstring(made) or "").partition("\n\n")[0]
                    yield Name(module, made.name, kind, " ".join(text.split()))


def parsed(module: str) -> ast.Module:
    """The source of a module, which is found without being imported."""
    package, _, path = module.partition(".")
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    source = Path(spec.origin).parent.joinpath(*path.split(".")).with_suffix(".py")
    return ast.parse(source.read_text())
