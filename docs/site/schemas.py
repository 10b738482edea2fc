"""The page of all shipped schemas as diagrams: `python -m docs.site.schemas` writes it anew.

A test compares. What a schema inherits is left to the diagram of where it comes from.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

import am_helpers as amh
import am_machine as am
from docs.site.features import hidden_bases, is_ours
from docs.site.names import public_names
from docs.site.sources import LAYERS, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = ROOT / "docs" / "schemas.md"
HEAD = """# Diagrams of schemas

<!-- Made by `python -m docs.site.schemas`; a test compares. -->

Every schema that a package ships, but those of am-helpers, which are
[in its own pages](../packages/am-helpers/docs/schemas.md#as-diagrams); drawn by
[`am_helpers.mermaid`](../packages/am-helpers/docs/diagrams.md). Full arrows are *require*, thick
ones *add*, dotted ones *remove*; auto states are dashed, multi states doubled. What a schema
inherits stands with the schema that it comes from.
"""


def shipped(package: str) -> list[tuple[str, type[am.States]]]:
    """The public schemas of a package, by name; none for what cannot be imported here."""
    found: list[tuple[str, type[am.States]]] = []
    for name in public_names():
        module = sys.modules.get(name.module)
        value = getattr(module, name.name, None)
        if name.package != package or not isinstance(value, type):
            continue
        if issubclass(value, am.States) and value is not am.States:
            found.append((name.path, value))
    return found


def with_hidden(schema: type[am.States]) -> type[am.States]:
    """A schema as if it defined itself what it has from bases that have no diagram of their own."""
    hidden = [base for base in hidden_bases(schema) if is_ours(base)]
    if not hidden:
        return schema
    states: dict[str, Any] = {}
    for owner in (*reversed(hidden), schema):
        own = {name: value for name, value in vars(owner).items() if isinstance(value, am.State)}
        states.update({name: state.extend() for name, state in own.items()})
    groups = getattr(schema, "Groups", None)
    if groups is not None:
        states["Groups"] = groups
    body = {**states, "__module__": schema.__module__, "__doc__": schema.__doc__}
    return type(schema.__name__, tuple(dict.fromkeys(seen(schema, hidden))), body)


def seen(schema: type[Any], hidden: list[type[Any]]) -> Iterator[type[Any]]:
    """The bases of a schema; in place of hidden ones, theirs."""
    for base in schema.__bases__:
        if base in hidden:
            yield from seen(base, hidden)
        else:
            yield base


def page() -> str:
    """The page, in Markdown."""
    parts = [HEAD]
    for layer in LAYERS:
        if layer == "helpers":
            continue
        importlib.import_module(f"am_{layer}")
        schemas = shipped(f"am-{layer}")
        if schemas:
            parts.append(f"## am-{layer}\n")
        for path, schema in schemas:
            whole = with_hidden(schema)
            bases = [base.__name__ for base in whole.__bases__ if base is not am.States]
            listed = " and ".join(filter(None, [", ".join(bases[:-1]), *bases[-1:]]))
            told = f"Beside what comes from {listed}:\n\n" if bases else ""
            drawn = amh.mermaid(whole, inherited=False)
            parts.append(f"### {path}\n\n{told}```mermaid\n{drawn.strip()}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page())
