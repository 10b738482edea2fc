"""The page of all shipped schemas as diagrams: `python -m docs.site.schemas` writes it anew.

A test compares. What a schema inherits is left to the diagram of where it comes from.
"""

from __future__ import annotations

import importlib
import sys

import am_helpers as amh
import am_machine as am
from docs.site.names import public_names
from docs.site.sources import LAYERS, ROOT

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
            bases = [base.__name__ for base in schema.__bases__ if base is not am.States]
            told = f"Beside what comes from {' and '.join(bases)}:\n\n" if bases else ""
            drawn = amh.mermaid(schema, inherited=False)
            parts.append(f"### {path}\n\n{told}```mermaid\n{drawn.strip()}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page())
