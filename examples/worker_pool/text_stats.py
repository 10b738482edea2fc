"""The work: statistics of one text file. Change this file into your own.

A worker class needs a method `work`: its parameters are the args of a task, and what it returns
goes back to the client. Everything else here is plain Python that also runs without a pool.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import am_helpers as amh
import am_node

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import am_machine as am

SUFFIXES = {".md", ".py", ".toml"}
TOP = 5
_WORD = re.compile(r"[a-z]+")


class TextStats(am_node.Worker):
    """Counts what is in one file."""

    async def ReadyState(self, e: am.Event) -> None:
        """Let the environment say who listens, once nobody waits for this process to come up."""
        amh.debug_env(self.mach)

    def work(self, path: str) -> dict[str, Any]:
        """Runs in a thread of the worker process; its result travels back to the client."""
        return stats_of(Path(path))


def stats_of(path: Path) -> dict[str, Any]:
    """SHA-256, lines, words and the most frequent words of one file."""
    data = path.read_bytes()
    text = data.decode("utf-8", "replace")
    words = Counter(_WORD.findall(text.lower()))
    return {
        "sha256": hashlib.sha256(data).hexdigest(),
        "lines": text.count("\n"),
        "words": words.total(),
        "top": [list(pair) for pair in sorted(words.items(), key=_by_count)[:TOP]],
    }


def text_files(root: Path) -> list[str]:
    """All text files below `root`, except in hidden and generated folders."""
    found = (path for path in _walk(root) if path.suffix in SUFFIXES)
    return sorted(str(path) for path in found)


def totals_of(results: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """Add up the results, in whichever order they came; two equal totals mean equal work."""
    files, lines, words, top = 0, 0, 0, Counter[str]()
    digest = hashlib.sha256()
    for path, result in sorted(results, key=lambda pair: pair[0]):
        files += 1
        lines += result["lines"]
        words += result["words"]
        top.update(dict(result["top"]))
        digest.update(f"{path} {result['sha256']}\n".encode())
    best = sorted(top.items(), key=_by_count)[:TOP]
    return {
        "files": files,
        "lines": lines,
        "words": words,
        "top": ", ".join(f"{word} {count}" for word, count in best),
        "sha256": digest.hexdigest(),
    }


def _by_count(pair: tuple[str, int]) -> tuple[int, str]:
    return -pair[1], pair[0]


def _walk(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name.startswith(".") or path.name in {"__pycache__", "node_modules", "dist"}:
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)
        elif path.is_file():
            yield path
