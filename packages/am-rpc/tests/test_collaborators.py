"""Parts of servers and clients are handed what they use, not the whole."""

from __future__ import annotations

import ast
from pathlib import Path

import am_rpc

SOURCE = Path(am_rpc.__file__).parent
# Who makes or owns them.
OWNERS = {
    "Server": {"_server/server.py", "_server/mux.py"},
    "Mux": {"_server/mux.py"},
    "Client": {"_client/client.py"},
}


def annotations(tree: ast.AST) -> list[ast.expr]:
    """All annotations of a module, and what stands in for them in aliases for type checkers."""
    found: list[ast.expr | None] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign):
            found.append(node.annotation)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.append(node.returns)
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            found += [part.value for part in node.body if isinstance(part, ast.Assign)]
    return [one for one in found if one is not None]


def names(annotation: ast.expr) -> set[str]:
    """Names in an annotation, in quoted ones, too."""
    found: set[str] = set()
    for node in ast.walk(annotation):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                found |= names(ast.parse(node.value, mode="eval").body)
            except SyntaxError:
                continue
    return found


def test_only_those_who_own_a_server_or_client_name_it_in_an_annotation() -> None:
    told = []
    paths = sorted(SOURCE.rglob("*.py"))
    assert len(paths) > 80
    for path in paths:
        where = path.relative_to(SOURCE).as_posix()
        named = set[str]().union(*map(names, annotations(ast.parse(path.read_text()))), set())
        told += [
            f"{where} names {kind}"
            for kind, owners in OWNERS.items()
            if kind in named and where not in owners
        ]
    assert told == []


def test_the_check_sees_quoted_and_nested_names() -> None:
    tree = ast.parse(
        "if TYPE_CHECKING:\n    A = Callable[['Mux'], x.Server]\n"
        "def f(c: 'list[Client]') -> dict[str, Server | None]: ..."
    )
    assert {"Mux", "Server", "Client"} <= set[str]().union(*map(names, annotations(tree)))
