"""A graph as plain values, Markdown and DOT, in the order in which things were added."""

from __future__ import annotations

from typing import Any


def to_dict(graph: Any) -> dict[str, Any]:
    """Return machines with their states, and all edges but ``has``."""
    machines: dict[str, Any] = {}
    for _, data in graph.nodes(data=True):
        if data["kind"] == "machine":
            hidden = ("kind", "id")
            shown = {key: _plain(value) for key, value in data.items() if key not in hidden}
            machines[data["id"]] = shown | {"states": {}}
    for _, data in graph.nodes(data=True):
        if data["kind"] == "state":
            entry = {key: data[key] for key in ("auto", "multi", "inherited_from")}
            machines[data["machine"]]["states"][data["name"]] = entry
    edges = [
        {"from": _name(graph, a), "to": _name(graph, b), "kind": key}
        | {name: _plain(v) for name, v in data.items()}
        for a, b, key, data in graph.edges(keys=True, data=True)
        if key != "has"
    ]
    return {"machines": machines, "edges": edges}


def _name(graph: Any, node: str) -> str:
    """The id of a machine, or ``id:Name`` of a state."""
    return str(graph.nodes[node].get("id", node))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def to_markdown(graph: Any) -> str:
    """Return one section per machine."""
    plain = to_dict(graph)
    lines: list[str] = []
    for name, data in plain["machines"].items():
        tags = f" ({', '.join(map(_inline, data['tags']))})" if data["tags"] else ""
        lines += [f"## {_inline(name)}{tags}", ""]
        if not data["known"]:
            lines += ["Not known.", ""]
            continue
        if data["parent"]:
            lines += [f"Child of {_inline(data['parent'])}.", ""]
        for state, entry in data["states"].items():
            marks = [key for key in ("auto", "multi") if entry[key]]
            marks += [f"from {entry['inherited_from']}"] if entry["inherited_from"] else []
            marks += ["**active**"] if state in data["active"] else []
            lines.append(f"- {state}" + (f" ({', '.join(marks)})" if marks else ""))
        lines.append("")
    links = [edge for edge in plain["edges"] if not edge["kind"].startswith("relation:")]
    if links:
        lines += ["## Connections", ""]
        lines += [f"- {_inline(e['from'])} → {_inline(e['to'])}: {e['kind']}" for e in links]
        lines.append("")
    return "\n".join(lines)


def _inline(text: str) -> str:
    """Keep a foreign text on one line and from being read as Markdown."""
    flat = " ".join(str(text).split())
    return "".join(f"\\{char}" if char in "\\`*_[]<>#|" else char for char in flat)


def to_dot(graph: Any) -> str:
    """Return a digraph in which each machine is a cluster."""
    lines = ["digraph machines {", "  rankdir=LR;", "  node [shape=box];"]
    numbers = {node: f"n{i}" for i, node in enumerate(graph)}
    for node, data in graph.nodes(data=True):
        if data["kind"] != "machine":
            continue
        style = "" if data["known"] else ", style=dashed"
        lines.append(f"  subgraph cluster_{numbers[node]} {{")
        lines.append(f"    label={_quoted(data['id'])};")
        lines.append(f"    {numbers[node]} [label={_quoted(data['id'])}, shape=ellipse{style}];")
        for name in data["state_names"]:
            own = f"{data['id']}:{name}"
            state = graph.nodes[own]
            marks = ["dashed"] * state["auto"] + ["filled"] * (name in data["active"])
            extra = ", peripheries=2" * state["multi"]
            extra += f', style="{",".join(marks)}"' if marks else ""
            lines.append(f"    {numbers[own]} [label={_quoted(name)}{extra}];")
        lines.append("  }")
    for a, b, key in graph.edges(keys=True):
        if key != "has":
            lines.append(f"  {numbers[a]} -> {numbers[b]} [label={_quoted(key)}];")
    return "\n".join([*lines, "}", ""])


def _quoted(text: str) -> str:
    escaped = str(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
