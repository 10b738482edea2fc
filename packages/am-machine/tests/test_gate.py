"""The gate: a machine does the same whoever listens to it, and in whatever way.

Random machines play random programs, once with nobody listening and once per way of listening; all
that a user can see has to be the same. `AM_GATE_CASES` is the number of machines (2,000 in CI,
20,000 at night). Each is listened to in every way, of those that are the same by construction in
one (`is_another`); with `AM_GATE_WAYS=2`, for a quick look, in one
way of each kind and in two of the others, which take turns, so that all are tried evenly.
`AM_GATE_FIRST` is the first seed. A failure prints its seed; `AM_GATE_SEED=5
AM_GATE_WAY="log level 3"` replays it, the second part being optional.
"""

from __future__ import annotations

import gc
import logging
import os
from collections import Counter
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import pytest
import trio

import am_machine as am

from .gate import Case, case_of, shrink
from .gate_play import Play
from .gate_ways import HOOKS_OUTSIDE, NOBODY, OUTSIDE, WAYS, Way, is_another

if TYPE_CHECKING:
    from collections.abc import Iterator

CASES = int(os.environ.get("AM_GATE_CASES", "2000"))
WAYS_EACH = os.environ.get("AM_GATE_WAYS", "all")
FIRST = int(os.environ.get("AM_GATE_FIRST", "0"))
SEED = os.environ.get("AM_GATE_SEED")
WAY = os.environ.get("AM_GATE_WAY", "")
# The cases are gone through in so many tests, none of which takes minutes on a busy machine either:
# a test that does is taken for one that hangs.
BLOCKS = 64 if SEED is None else 1
# Failures that are told by seed and way, and those of different ways that are told in full.
MOST_TOLD = 40
MOST_IN_FULL = 3


# One way of each kind, tried with every case: how a machine goes through a transition is decided by
# the kind of listener that asks for most. The others take turns.
KINDS = ("journal", "tracer of transition_end", "log level 3", "steps", "everything")
ALWAYS = [way for way in WAYS if way.name in KINDS]
IN_TURN = [way for way in WAYS if way.name not in KINDS]


def ways_of(number: int, each: str = WAYS_EACH) -> Iterator[Way]:
    """The ways that are tried with a case: all, or one of each kind and the next few in turn."""
    if each == "all":
        yield from WAYS
        return
    yield from ALWAYS
    count = int(each)
    for i in range(count):
        yield IN_TURN[(number * count + i) % len(IN_TURN)]


def plays(case: Case, ways: list[Way]) -> Iterator[Play]:
    """The case, run under one of the ways after the other."""
    schema: Any = am.compile_schema(case.schema) if case.is_shared else case.schema
    if case.is_open:
        played = [Play(case, way, schema) for way in ways]
        trio.run(run_open, played)
        yield from played
        return
    for way in ways:
        play = Play(case, way, schema)
        # A cause that one leaves behind in the context is not to disturb the next.
        try:
            copy_context().run(play.run)
        except Exception as error:
            play.broken.append(f"the run itself raises {error!r}")
        yield play


async def run_open(played: list[Play]) -> None:
    """One after the other, each in a task of its own, and so in a context of its own."""
    for play in played:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(play.run_open)
        except Exception as error:
            play.broken.append(f"the run itself raises {error!r}")


def fault(quiet: Play, other: Play) -> str | None:
    """What is wrong with a run, compared with the one to which nobody listened."""
    if other.broken:
        return f"broken: {other.broken[0]}"
    # One that is broken without listeners is told of once, as that.
    if quiet.broken or quiet.seen == other.seen:
        return None
    for number, (one, two) in enumerate(zip(quiet.seen, other.seen, strict=False)):
        if one != two:
            before = "".join(f"\n    {line}" for line in quiet.seen[max(0, number - 4) : number])
            both = f"  nobody: {one}\n  way:    {two}"
            return f"observation {number} differs; before it:{before}\n{both}"
    return f"{len(quiet.seen)} observations, and with the way {len(other.seen)}"


def faults(case: Case, ways: list[Way], *, is_whole: bool = True) -> list[tuple[Way, str]]:
    """What is wrong with a case; if not `is_whole`, ways are left out that are others of them."""
    quiet, outside = plays(case, [NOBODY, OUTSIDE])
    found = [(NOBODY, f"broken: {quiet.broken[0]}")] if quiet.broken else []
    left = [way for way in ways if is_whole or not is_another(way, quiet, outside)]
    for way, play in zip(left, plays(case, left), strict=True):
        text = fault(quiet, play)
        if text is not None:
            found.append((way, text))
        play.forget()
    quiet.forget()
    outside.forget()
    return found


def in_full(seed: int, way: Way) -> str:
    """A failure, with the smallest case that shows it."""
    ways = [] if way is NOBODY else [way]
    case = shrink(case_of(seed), lambda smaller: bool(faults(smaller, ways)))
    wrong = faults(case, ways)
    text = wrong[0][1] if wrong else "it does not show again"
    return f"seed {seed}, way {way.name!r}: {text}\nmade smaller:\n{case}"


@pytest.fixture
def quiet_logger(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lines come as far as the logger, which makes no records of them: nobody would read those."""
    logger = logging.getLogger("am_machine")
    level = logger.level
    monkeypatch.setattr(logger, "_log", lambda *args, **kwargs: None)
    yield
    logger.setLevel(level)


@pytest.fixture(scope="module")
def no_collection() -> Iterator[None]:
    """Cycles are collected between two cases only: there are many, and they take long to look for.

    What was there before, which is most, is not looked at any more.
    """
    gc.collect()
    gc.freeze()
    gc.disable()
    yield
    gc.enable()


def seeds_of(block: int) -> list[int]:
    if SEED is not None:
        return [int(SEED)]
    return [*range(FIRST, FIRST + CASES)][block::BLOCKS]


@pytest.mark.slow
@pytest.mark.usefixtures("quiet_logger", "no_collection")
@pytest.mark.parametrize("block", range(BLOCKS))
def test_whoever_listens_the_machine_does_the_same(block: int) -> None:
    failed: list[tuple[int, Way]] = []
    seeds = seeds_of(block)
    for seed in seeds:
        ways = [*ways_of(seed)] if SEED is None else [w for w in WAYS if WAY in (w.name, "")]
        wrong = faults(case_of(seed), ways, is_whole=SEED is not None)
        failed += [(seed, way) for way, _ in wrong]
        gc.collect()
    if failed:
        counts = Counter(way.name for _, way in failed)
        by_way = "\n".join(f"  {count:5} {name}" for name, count in counts.most_common())
        some = "\n".join(f"  {seed} {way.name}" for seed, way in failed[:MOST_TOLD])
        # One of each way, those first that few fail: they are not what fails everywhere else.
        rare = sorted({way: seed for seed, way in failed}.items(), key=lambda o: counts[o[0].name])
        full = "\n".join(in_full(seed, way) for way, seed in rare[:MOST_IN_FULL])
        pytest.fail(
            f"{len(failed)} runs of {len(seeds)} cases differ.\n{full}\n"
            f"by way:\n{by_way}\nseeds and ways:\n{some}",
            pytrace=False,
        )


def test_a_seed_always_makes_the_same_case() -> None:
    assert str(case_of(7)) == str(case_of(7))
    assert str(case_of(7)) != str(case_of(8))


@pytest.mark.usefixtures("quiet_logger")
def test_ways_that_are_left_out_are_others() -> None:
    left_out: Counter[str] = Counter()
    for seed in range(40):
        case = case_of(seed)
        quiet, outside = plays(case, [NOBODY, OUTSIDE])
        ways = [way for way in WAYS if is_another(way, quiet, outside)]
        left_out.update(way.name for way in ways)
        for way, play in zip(ways, plays(case, ways), strict=True):
            assert fault(quiet, play) is None
            assert way.when == "start" or way.when not in play.listening.came_to
    assert len(HOOKS_OUTSIDE) == 9
    never = {"tracer of new_submachine", "tracer of schema_change", "tracer of pipes_change"}
    assert {name for name, count in left_out.items() if count == 40} >= never
    assert left_out["journal, on and off in handlers"] in range(1, 40)
    assert "tracer of machine_dispose" not in left_out
    assert not any(name.endswith("transition_end") for name in left_out)


def test_all_ways_are_tried_evenly_where_not_each_case_is_tried_with_all() -> None:
    rounds = len(IN_TURN)
    turns = Counter(way.name for number in range(rounds) for way in ways_of(number, "2"))
    assert [turns.pop(kind) for kind in KINDS] == [rounds] * len(KINDS)
    assert set(turns.values()) == {2}
    assert len(turns) == rounds
    assert [*ways_of(0, "all")] == [*WAYS]
