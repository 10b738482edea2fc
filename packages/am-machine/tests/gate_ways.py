"""Ways of listening to a machine: none of them may change what it does.

A way is one or more *ears*, and when they are put up: from the start, in turns between the calls of
the program, or in turns inside handlers, votes and finals alike.
"""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import am_machine as am
from am_machine._watch.listening import Observed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .gate_play import Play

# Every hook that there is, so that new ones are gone through as well.
HOOKS = tuple([name for name in vars(am.Tracer) if not name.startswith("_")
               and callable(getattr(am.Tracer, name))])  # fmt: skip
SWITCHES = ("steps", "graph", "checks", "queued", "args", "when", "state_ctx")
logger = logging.getLogger("am_machine")


def _peek(_tracer: object, *args: Any) -> None:
    """A hook that makes use of what it gets, so that all of it has to be there."""
    for one in args:
        if isinstance(one, am.Transition):
            str(one)
            assert one.id
            assert len(one.time_after) == len(one.time_before)
            assert one.target is not None
            added = one.added
            assert not added or added is not one.removed
        elif isinstance(one, am.Machine):
            assert str(one)
            assert one.transition is None or one.transition.machine is one
        elif isinstance(one, am.Mutation):
            str(one.source)


def _nothing(_tracer: object, *_args: Any) -> None:
    """A hook that only has to be called."""


class Noting(am.Tracer):
    """A tracer that notes which of its hooks are called."""

    def __init__(self) -> None:
        self.called: set[str] = set()


def _noted(hook: str) -> Any:
    def called(tracer: Noting, *_args: Any) -> None:
        tracer.called.add(hook)

    return called


def tracer_class(*hooks: str, peeks: bool) -> type[am.Tracer]:
    """A tracer that overrides these hooks and no others."""
    hook = _peek if peeks else _nothing
    return type(f"Tracer_{'_'.join(hooks)[:40]}", (am.Tracer,), dict.fromkeys(hooks, hook))


class Ear:
    """Something that listens, to be put up and taken away."""

    def up(self, m: am.Machine) -> None:
        """Listen from now on."""

    def down(self, m: am.Machine) -> None:
        """Listen no more."""

    def tracer(self) -> am.Tracer | None:
        """The tracer, if it is one, for the constructor of a machine."""
        return None


class TracerEar(Ear):
    def __init__(self, make: Callable[[], am.Tracer]) -> None:
        self.made = make()

    def up(self, m: am.Machine) -> None:
        m.bind_tracer(self.made)

    def down(self, m: am.Machine) -> None:
        m.detach_tracer(self.made)

    def tracer(self) -> am.Tracer | None:
        return self.made


class LevelEar(Ear):
    def __init__(self, level: int) -> None:
        self.level = am.LogLevel(level)

    def up(self, m: am.Machine) -> None:
        m.log_level = self.level

    def down(self, m: am.Machine) -> None:
        m.log_level = am.LogLevel.NOTHING


class SwitchEar(Ear):
    """Switches of the semantic log."""

    def __init__(self, *switches: str) -> None:
        self.switches = switches

    def up(self, m: am.Machine) -> None:
        for switch in self.switches:
            setattr(m.sem_log, switch, True)

    def down(self, m: am.Machine) -> None:
        for switch in self.switches:
            setattr(m.sem_log, switch, False)


class BreakpointEar(Ear):
    """A breakpoint that is never hit, for no case adds all its states at once; it stays."""

    def up(self, m: am.Machine) -> None:
        m.add_breakpoint(added=[*m.schema.names])


Ears = tuple["Callable[[], Ear]", ...]


@dataclass(frozen=True)
class Way:
    """One way of listening."""

    name: str
    ears: Ears = ()
    # "start", "ops" or "calls".
    when: str = "start"
    # Level of the logger: what it is deaf to takes a shorter way through the machine.
    logger_level: int = logging.ERROR
    is_of_both: bool = False
    is_reading: bool = False
    # The hook, of a tracer that has one alone.
    hook: str = ""

    def listen(self, play: Play) -> Listening:
        return Listening(self, play)


class Listening:
    """A way of listening on its way through one run."""

    def __init__(self, way: Way, play: Play) -> None:
        self.way, self.play = way, play
        self.ears = [make() for make in way.ears]
        self.is_up = False
        # The kinds of points that were come to, whether or not ears go up and down there.
        self.came_to: set[str] = set()
        self.tracers: list[am.Tracer] = []
        is_early, self.points = _drawn(play.case.seed)
        # Tracers come by the constructor or later.
        self.is_early = way.when == "start" and is_early
        if self.is_early:
            self.tracers = [t for ear in self.ears if (t := ear.tracer()) is not None]

    def begin(self) -> None:
        """The machines are about to be made."""
        logger.setLevel(self.way.logger_level)

    def made(self) -> None:
        """The machines were made."""
        if self.way.when != "start":
            return
        for ear in self.ears:
            if not (self.is_early and ear.tracer() is not None):
                ear.up(self.play.m)
            if self.way.is_of_both:
                ear.up(self.play.other)

    def between(self, number: int) -> None:
        """A call of the program comes next."""
        if number in self.points:
            self.at_point("ops")

    def at_call(self, number: int, event: am.Event) -> None:
        """A handler was called."""
        if number in self.points:
            self.at_point("calls")
        if self.way.is_reading:
            _read(event)
            _read(event, self.play.m)

    def at_point(self, kind: str) -> None:
        """Ears of this kind go up and down in turn here."""
        self.came_to.add(kind)
        if self.way.when == kind:
            self.switch()

    def switch(self) -> None:
        self.is_up = not self.is_up
        for ear in self.ears:
            try:
                if self.is_up:
                    ear.up(self.play.m)
                else:
                    ear.down(self.play.m)
            except Exception as error:
                self.play.broken.append(f"to listen raises {type(error).__name__}")


@lru_cache(maxsize=2)  # all ways of a case are gone through in a row
def _drawn(seed: int) -> tuple[bool, frozenset[int]]:
    """Whether tracers come early in a case, and at which calls ears go up and down in turn.

    The calls are those of handlers, or of the program.
    """
    chance = random.Random(seed + 1)
    is_early = chance.random() < 0.5
    points: set[int] = set()
    point = chance.choice([1, 1, 1, 2, 3])
    while point < 60:
        points.add(point)
        point += chance.choice([1, 1, 2, 3, 8])
    return is_early, frozenset(points)


def _read(event: am.Event, machine: am.Machine | None = None) -> None:
    m = event.machine if machine is None else machine
    transition = m.transition
    assert transition is None or str(transition)
    str(event.transition), event.tick, event.args, event.source, event.is_check, event.mutation
    m.queue, m.inspect(), m.string_all(), repr(m), m.tracers, m.id, m.time(), m.disposed
    am.current_source()


def _tracer(*hooks: str, peeks: bool = True) -> Callable[[], Ear]:
    cls = tracer_class(*hooks, peeks=peeks)
    return lambda: TracerEar(cls)


def _journal(*, rejected: bool = False, details: bool = False) -> Callable[[], Ear]:
    return lambda: TracerEar(lambda: am.Journal(rejected=rejected, details=details))


def _level(level: int) -> Callable[[], Ear]:
    return lambda: LevelEar(level)


def _switches(*switches: str) -> Callable[[], Ear]:
    return lambda: SwitchEar(*switches)


ALL = _tracer(*HOOKS)
STEPS = _switches("steps")
EVERYTHING: Ears = (ALL, _journal(), _level(5), _switches("steps", "checks"), BreakpointEar)
NOBODY = Way("nobody")


def _tells_nothing(hook: str) -> bool:
    """Whether a machine with a tracer of this hook goes about its work as with one of none."""
    tracer = tracer_class(hook, peeks=False)()
    return am.Machine({"A": {}}, tracers=[tracer])._observed is Observed.NONE


HOOKS_OUTSIDE = tuple([hook for hook in HOOKS if _tells_nothing(hook)])
_Outside = type("TracerOutside", (Noting,), {hook: _noted(hook) for hook in HOOKS_OUTSIDE})
OUTSIDE = Way("tracer of all hooks outside of transitions", (lambda: TracerEar(_Outside),))


def _ways() -> Iterator[Way]:
    yield Way("journal", (_journal(),))
    yield Way("journal of refusals", (_journal(rejected=True),))
    yield Way("two journals", (_journal(), _journal(rejected=True)))
    yield Way("journal of details", (_journal(details=True),))
    detailed = _journal(rejected=True, details=True)
    yield Way("two journals, one of details", (_journal(rejected=True), detailed))
    yield Way("journal of details and queue_end", (detailed, _tracer("queue_end")))
    yield Way("journal of details and log level 1", (detailed, _level(1)), logger_level=1)
    yield Way("journal of details and log level 3", (detailed, _level(3)), logger_level=1)
    yield Way("journal of details and steps", (detailed, STEPS))
    yield Way("journal of details and all hooks", (detailed, ALL))
    yield Way("tracer of no hook", (_tracer(),))
    yield OUTSIDE
    for hook in HOOKS:
        yield Way(f"tracer of {hook}", (_tracer(hook),), hook=hook)
    yield Way("tracer of all hooks", (ALL,))
    yield Way("tracer that does nothing", (_tracer(*HOOKS, peeks=False),))
    for level in range(1, 6):
        yield Way(f"log level {level}", (_level(level),), logger_level=1)
        yield Way(f"log level {level}, muted", (_level(level),), logger_level=logging.CRITICAL + 1)
    yield Way("steps", (STEPS,))
    yield Way("steps of checks", (_switches("steps", "checks"),))
    yield Way("all switches", (_switches(*SWITCHES),))
    yield Way("breakpoint", (BreakpointEar,))
    yield Way("reads", is_reading=True)
    yield Way("journal and queue_end", (_journal(), _tracer("queue_end")))
    yield Way("journal and log level 3", (_journal(), _level(3)), logger_level=1)
    yield Way("everything", EVERYTHING, logger_level=1)
    yield Way("everything on both", (ALL, _level(5), STEPS), logger_level=1, is_of_both=True)
    switched: dict[str, Ears] = {
        "tracer of all hooks": (ALL,),
        "tracer of transition_end": (_tracer("transition_end"),),
        "tracer of handler_end": (_tracer("handler_end"),),
        "tracer of queue_end": (_tracer("queue_end"),),
        "journal": (_journal(),),
        "two journals": (_journal(), _journal()),
        "journal of details": (_journal(details=True),),
        "journals with and without details": (_journal(), _journal(rejected=True, details=True)),
        "log level 1": (_level(1),),
        "log level 3": (_level(3),),
        "log level 5": (_level(5),),
        "steps": (STEPS,),
        "breakpoint": (BreakpointEar,),
        "everything": EVERYTHING,
    }
    for name, ears in switched.items():
        yield Way(f"{name}, on and off between calls", ears, "ops", logger_level=1)
        yield Way(f"{name}, on and off in handlers", ears, "calls", logger_level=1)


WAYS = (*_ways(),)


def is_another(way: Way, quiet: Play, outside: Play) -> bool:
    """Whether a way is, in this case, the same as another one by construction.

    Ears that go up and down at points which the case never comes to are never up: that is nobody.
    A tracer of one hook outside of transitions is only ever asked to have it called; where not even
    `OUTSIDE` has it called it is the tracer of no hook.

    :param quiet: the case, played with nobody.
    :param outside: the case, played with `OUTSIDE`.
    """
    if way.when != "start":
        return way.when not in quiet.listening.came_to
    (ear,) = outside.listening.ears
    return way.hook in HOOKS_OUTSIDE and way.hook not in ear.tracer().called
