"""The limits that the engine keeps, each as a figure of one run and a bound for it."""

# ruff: noqa: RUF001 -- the signs for "times" and "micro" are meant
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from peers import OURS
from results import Key, Results

if TYPE_CHECKING:
    from collections.abc import Callable

WITH_HANDLER = ("toggle, state", OURS)
BARE = ("toggle, bare", OURS)
NOBODY = ("listening", "nobody")
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limit:
    """A figure and its bound: at least it if `more`, else at most."""

    name: str
    figure: Callable[[Results], float]
    bound: float
    unit: str = "×"
    more: bool = False

    def holds(self, figure: float) -> bool:
        return figure >= self.bound if self.more else figure <= self.bound

    def text(self, figure: float) -> str:
        return f"{figure:,.3g} {self.unit}" if figure < 1_000 else f"{figure:,.0f} {self.unit}"

    def bound_text(self) -> str:
        return f"{'≥' if self.more else '≤'} {self.bound:,g} {self.unit}"


def ratio(one: tuple[str, str], other: tuple[str, str]) -> Callable[[Results], float]:
    return lambda results: results.ratio(one, other)


def times(scenario: str, variant: str, scale: float) -> Callable[[Results], float]:
    return lambda results: results.seconds(scenario, variant) * scale


def worst_growth(scenario: str) -> Callable[[Results], float]:
    return lambda results: max(factor for _, factor in results.curve(scenario))


def figure(name: str, scale: float = 1) -> Callable[[Results], float]:
    return lambda results: results.figures[Key("memory", name)] * scale


def faster_than(peer: str) -> Callable[[Results], float]:
    return ratio(("toggle, state", peer), WITH_HANDLER)


def listening(variant: str) -> Callable[[Results], float]:
    return ratio(("listening", variant), NOBODY)


# What is taken off again costs nothing; so much is the noise of two runs of the same thing.
BACK_TO_ONE = 1.05

LIMITS = (
    Limit(
        "toggle with a handler, faster than transitions", faster_than("transitions"), 12, more=True
    ),
    Limit("toggle with a handler, faster than automat", faster_than("automat"), 1.5, more=True),
    Limit(
        "toggle with a handler, faster than python-statemachine",
        faster_than("python-statemachine"),
        100,
        more=True,
    ),
    Limit("bare toggle, of the one with a handler", ratio(BARE, WITH_HANDLER), 0.65),
    Limit(
        "cycling adds through 50 related states, of the bare toggle",
        ratio(("cycling adds", "warm"), BARE),
        2,
    ),
    Limit(
        "resolving without a plan, 50 states, of a toggle of transitions",
        ratio(("resolve", "50 states"), ("toggle, state", "transitions")),
        3.7,
    ),
    Limit("resolving without a plan, 100 states", times("resolve", "100 states", 1e3), 1, "ms"),
    Limit(
        "a walk that always misses, of mutations seen first",
        ratio(("misses", "walk"), ("misses", "first")),
        1.3,
    ),
    Limit("compiling a schema of 50 states", times("compiling", "50 states", 1e3), 0.5, "ms"),
    Limit(
        "is_ of one state, of the toggle with a handler",
        ratio(("readers", OURS), WITH_HANDLER),
        0.1,
    ),
    Limit("is_ of one state", times("readers", OURS, 1e6), 0.25, "µs"),
    Limit("creating a machine", times("creators", OURS, 1e6), 5, "µs"),
    Limit("creating a wait, of 1,000", times("1,000 waits", "creating", 1e6), 3, "µs"),
    Limit(
        "firing a wait, of 1,000 in one transition", times("1,000 waits", "firing", 1e6), 3, "µs"
    ),
    Limit("an idle machine of 10 states", figure("bytes per idle machine"), 1024, "bytes"),
    Limit(
        "growth over 10⁶ mutations with 10³ plans",
        figure("bytes grown over 10⁶ mutations", 1 / MIB),
        5,
        "MiB",
    ),
    Limit("with a tracer that does nothing", listening("base"), 1.5),
    Limit("with a journal", listening("journal"), 2),
    Limit("after the tracer is taken off", listening("tracer taken off"), BACK_TO_ONE),
    Limit("logging at OPS to a null handler", listening("log at OPS, null handler"), 6),
    Limit("after logging is turned off", listening("log turned off"), BACK_TO_ONE),
    Limit("with steps", listening("steps"), 6),
    Limit("after steps are turned off", listening("steps turned off"), BACK_TO_ONE),
    Limit("10 to 1,000 states, cached toggle", worst_growth("states"), 2),
    Limit("1 to 10,000 waits on other states, toggle", worst_growth("pending waits"), 1.5),
    Limit("bare toggles", lambda results: 1 / results.seconds(*BARE), 80_000, "/s", more=True),
    Limit(
        "toggles with a handler",
        lambda results: 1 / results.seconds(*WITH_HANDLER),
        50_000,
        "/s",
        more=True,
    ),
)
