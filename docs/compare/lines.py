"""Lines of code: those that hold more than a comment, a docstring or nothing."""

from __future__ import annotations

import ast
import io
import tokenize
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"
# What is counted: a program, who writes it so, in which file and under which names.
COUNTED = {
    "the turnstile": {
        "am-machine": (EXAMPLES / "fsm/main.py", ("TurnstileStates", "Turnstile")),
        "transitions": (HERE / "turnstiles.py", ("TurnstileModel",)),
        "python-statemachine": (HERE / "turnstiles.py", ("TurnstileChart",)),
    },
    "an expense that is approved in time": {
        "am-machine, as states": (
            EXAMPLES / "temporal_expense/main.py", ("ExpenseStates", "Expense", "as_states"),
        ),
        "am-machine, as one function": (EXAMPLES / "temporal_expense/main.py", ("as_code",)),
        "Temporal": (HERE / "expense_temporal.py", ("create", "pay", "ExpenseWorkflow")),
    },
}  # fmt: skip

_SILENT = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
           tokenize.ENCODING, tokenize.ENDMARKER}  # fmt: skip
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def lines_of(path: Path, *names: str) -> int:
    """How many lines of code the classes and functions of these names have; all, without names.

    :raises ValueError: if a name is not defined at the top of the file.
    """
    source = path.read_text()
    tree = ast.parse(source)
    code = _code(source) - _docstrings(tree)
    if not names:
        return len(code)
    found: dict[str, range] = {}
    for node in tree.body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            found[node.name] = range(first, (node.end_lineno or first) + 1)
    if lost := {*names} - {*found}:
        raise ValueError(f"{path} defines no {', '.join(sorted(lost))}")
    return sum(len(code & {*found[name]}) for name in names)


def rows() -> Iterator[str]:
    """Rows of the page about lines of code, in Markdown."""
    for what, programs in COUNTED.items():
        found = {name: lines_of(path, *names) for name, (path, names) in programs.items()}
        first = next(iter(found.values()))
        for name, count in found.items():
            yield f"| lines of code: {what} | {name} | {count} | {count / first:.1f} |"


def _code(source: str) -> set[int]:
    return {
        line
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type not in _SILENT
        for line in range(token.start[0], token.end[0] + 1)
    }


def _docstrings(tree: ast.Module) -> set[int]:
    found: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node) is not None:
            text = node.body[0]
            found |= {*range(text.lineno, (text.end_lineno or text.lineno) + 1)}
    return found
