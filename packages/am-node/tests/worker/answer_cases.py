"""Cases of what work may return or raise, made from a number: the same in every process."""

from __future__ import annotations

import asyncio
import random
from typing import Any

LIMIT = 64 * 2**20


class NoTextError(Exception):
    """An error whose texts cannot be made."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class NoArgsError(Exception):
    """An error that reads what it does not have."""

    def __str__(self) -> str:
        return str(self.missing)  # type: ignore[attr-defined]


class ExitingText(Exception):
    """An error whose text ends the program."""

    def __str__(self) -> str:
        raise SystemExit(9)


class Odd:
    """A value that answers every question wrongly."""

    def __eq__(self, other: object) -> bool:
        raise ZeroDivisionError

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        raise ZeroDivisionError

    def __repr__(self) -> str:
        raise ZeroDivisionError


class ListLike(list[Any]):
    """A list that cannot be walked through."""

    def __iter__(self) -> Any:
        raise ZeroDivisionError


def _deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


def _loop() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["self"] = [value]
    return value


def _caused() -> Exception:
    first, second = ValueError("first"), KeyError("second")
    first.__cause__, second.__cause__ = second, first
    return first


def _noted() -> Exception:
    error = ValueError("with notes")
    error.add_note("a note \ud800 \x1b[2J")
    error.__notes__.append(7)  # type: ignore[arg-type]
    return error


def _group(rng: random.Random, depth: int = 0) -> BaseException:
    if depth == 4 or rng.random() < 0.3:
        return rng.choice([ValueError("x"), SystemExit(1), NoTextError(), KeyError("\ud800")])
    return BaseExceptionGroup("several", [_group(rng, depth + 1) for _ in range(rng.randint(1, 3))])


ERRORS: list[Any] = [
    lambda rng: ValueError("x" * rng.choice([0, 10, 16_000, 17_000, 10**6])),
    lambda rng: NoTextError(),
    lambda rng: NoArgsError(),
    lambda rng: ExitingText(),
    lambda rng: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "\udcff"),
    lambda rng: SystemExit(rng.choice([0, 3, None, "text", "\ud800"])),
    lambda rng: KeyboardInterrupt(),
    lambda rng: GeneratorExit(),
    lambda rng: StopIteration(7),
    lambda rng: StopAsyncIteration(),
    lambda rng: asyncio.CancelledError(),
    lambda rng: RecursionError("deep"),
    lambda rng: MemoryError(),
    lambda rng: OSError(5, "no luck", "\udcff"),
    lambda rng: TimeoutError(),
    lambda rng: BaseException("bare"),
    lambda rng: _caused(),
    lambda rng: _noted(),
    lambda rng: _group(rng),
    lambda rng: type("E" * 300, (Exception,), {})("long name"),
    lambda rng: ValueError(_loop(), _deep(3000)),
]
BAD: list[Any] = [
    lambda rng: _deep(rng.choice([100, 500, 5000, 100_000])),
    lambda rng: _loop(),
    lambda rng: "\ud800",
    lambda rng: {"\ud800": 1},
    lambda rng: object(),
    lambda rng: Odd(),
    lambda rng: ListLike([1, 2]),
    lambda rng: 2 ** rng.choice([64, 70, 4000]),
    lambda rng: -(2**64),
    lambda rng: {1: 2},
    lambda rng: {(1, 2): 3},
    lambda rng: {1, 2},
    lambda rng: lambda: 1,
    lambda rng: (n for n in range(3)),
    lambda rng: [None] * rng.choice([70_000, 150_000]),
    lambda rng: bytes(LIMIT + 2**20),
    lambda rng: "x" * (LIMIT + 2**20),
]


def _good(rng: random.Random, depth: int = 0) -> Any:
    leaf = rng.choice(
        [
            None, True, False, 0, -1, 2**63, -(2**63), 1.5, float("inf"), "", "text",
            "\x00\U0001f600", b"", bytes(rng.randint(0, 3000)), "y" * rng.choice([10, 70_000]),
        ]
    )  # fmt: skip
    if depth == 3 or rng.random() < 0.4:
        return leaf
    if rng.random() < 0.5:
        return [_good(rng, depth + 1) for _ in range(rng.randint(0, 4))]
    return {f"k{n}": _good(rng, depth + 1) for n in range(rng.randint(0, 4))}


def case(number: int) -> tuple[str, Any]:
    """What the work with this number does: ("return" | "bad" | "raise", value)."""
    rng = random.Random(number)
    kind = ("return", "bad", "raise", "raise")[number % 4]
    # Each sort comes once before any comes again; the largest once in 500.
    if kind == "raise":
        return kind, ERRORS[(number // 4 * 2 + number % 2) % len(ERRORS)](rng)
    if kind == "bad":
        place = number // 4 % (len(BAD) if number < 4 * len(BAD) else len(BAD) - 2)
        return kind, BAD[place](rng)
    return kind, _good(rng)


def do(number: int) -> Any:
    """Do what the case says."""
    if number < 0:
        return number
    kind, value = case(number)
    if kind == "raise":
        raise value
    return value
