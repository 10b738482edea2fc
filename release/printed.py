"""What pages print to be typed in: commands, and among them those that install."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

# `pip install X`, `uv pip install X`, `uv add X`, `uv tool install X`, `pipx install X`, `uvx X`, …
INSTALLS = re.compile(
    r"(?:\bpip3?|\buv(?: tool)?|\bpipx)(?: \S+)*? (?:install|add|run|download|wheel)\b|\buvx\b"
)
EVERY_PACKAGE = "./packages/am-*"
_CODE = re.compile(
    r"^```(?:console|sh|bash|text)?\n(.*?)^```|(?<!`)`([^`\n]+)`(?!`)", re.DOTALL | re.MULTILINE
)


def installing(page: str) -> list[str]:
    """The commands in a page's code that install something, those that are continued made one."""
    text = "\n".join(block or inline for block, inline in _CODE.findall(page))
    lines = text.replace("\\\n", " ").splitlines()
    parts = [part.strip().removeprefix("$ ") for line in lines for part in line.split("&&")]
    return [part for part in parts if INSTALLS.search(part)]


def paths_and_names(command: str, packages: Collection[str]) -> tuple[list[str], list[str]]:
    """What of ours a command installs by path, and what by name."""
    paths: list[str] = []
    names: list[str] = []
    for word in shlex.split(command, comments=True):
        bare = re.split(r"[\[=<>~!@ ]", word)[0]
        if bare == EVERY_PACKAGE:
            paths += [f"./packages/{name}" for name in packages]
        elif bare.startswith("./packages/"):
            paths.append(word)
        elif bare in packages:
            names.append(word)
    return paths, names
