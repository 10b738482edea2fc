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
SHELL = {"", "bash", "console", "sh", "text"}
# Fences of any language are matched, so that the end of one is not taken for the begin of another.
_CODE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```|(?<!`)`([^`\n]+)`(?!`)", re.DOTALL | re.MULTILINE)


def shell_lines(page: str) -> list[str]:
    """The lines of a page's code that are for a shell, those that are continued made one."""
    found = _CODE.findall(page)
    text = "\n".join(block or inline for language, block, inline in found if language in SHELL)
    return text.replace("\\\n", " ").splitlines()


def installing(page: str) -> list[str]:
    """The commands in a page's code that install something."""
    lines = shell_lines(page)
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
