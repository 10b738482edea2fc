"""The same small machines in four libraries, each written as that library recommends.

Every toggle is off at first and is switched on and off. Callbacks count in an attribute of the
object that owns them: the least that is still real work. Each toggle is given as a loop that runs
as often as it is told, with the calls as a user writes them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, cast

from automat import TypeMachineBuilder
from statemachine import State, StateMachine
from transitions import Machine as FsmMachine

import am_machine as am

Loop = Callable[[int], None]

OURS = "am-machine"
LIBRARIES = (OURS, "transitions", "automat", "python-statemachine")
DISTRIBUTIONS = (*LIBRARIES, "pytest-benchmark", "pytest", "trio")

CYCLE = [f"State{number}" for number in range(50)]


# -- am-machine -----------------------------------------------------------------------------------


class FooStates(am.States):
    """One state to switch on and off."""

    Foo = am.State()


class Counting:
    """One final handler."""

    def __init__(self) -> None:
        self.count = 0

    def FooState(self, event: am.Event) -> None:
        self.count += 1


class Negotiating(Counting):
    """A negotiation handler beside the final one."""

    def FooEnter(self, event: am.Event) -> bool:
        return self.count >= 0


def toggling(machine: am.Machine) -> Loop:
    """Switches Foo on and off."""

    def loop(count: int) -> None:
        for _ in range(count):
            machine.add("Foo")
            machine.remove("Foo")

    return loop


def ours(handlers: str) -> Loop:
    made = {"bare": None, "state": Counting(), "enter and state": Negotiating()}[handlers]
    return toggling(am.Machine(FooStates, handlers=made))


def up_and_down(machine: Any) -> Loop:
    """Switches a machine of the other libraries on and off."""

    def loop(count: int) -> None:
        for _ in range(count):
            machine.up()
            machine.down()

    return loop


# -- transitions ----------------------------------------------------------------------------------

MOVES = [["up", "off", "foo"], ["down", "foo", "off"]]


class Model:
    """What `transitions` moves between its states."""

    def __init__(self) -> None:
        self.count = 0

    def accepts(self) -> bool:
        return self.count >= 0

    def entered(self) -> None:
        self.count += 1


def transitions(handlers: str) -> Loop:
    model = cast("Any", Model())
    foo: Any = "foo" if handlers == "bare" else {"name": "foo", "on_enter": model.entered}
    moves: list[Any] = list(MOVES)
    if handlers == "enter and state":
        moves[0] = {"trigger": "up", "source": "off", "dest": "foo", "conditions": model.accepts}
    FsmMachine(model, states=["off", foo], transitions=moves, initial="off", auto_transitions=False)
    return up_and_down(model)


# -- python-statemachine --------------------------------------------------------------------------


class BareChart(StateMachine):
    """No callbacks."""

    off = State(initial=True)
    foo = State()
    up = off.to(foo)
    down = foo.to(off)

    def __init__(self) -> None:
        self.count = 0
        super().__init__()


class CountingChart(BareChart):
    """A callback on entering."""

    def on_enter_foo(self) -> None:
        self.count += 1


class NegotiatingChart(StateMachine):
    """A guard and a callback on entering."""

    off = State(initial=True)
    foo = State()
    up = off.to(foo, cond="accepts")
    down = foo.to(off)

    def __init__(self) -> None:
        self.count = 0
        super().__init__()

    def accepts(self) -> bool:
        return self.count >= 0

    def on_enter_foo(self) -> None:
        self.count += 1


def python_statemachine(handlers: str) -> Loop:
    charts = {"bare": BareChart, "state": CountingChart, "enter and state": NegotiatingChart}
    return up_and_down(charts[handlers]())


# -- automat --------------------------------------------------------------------------------------


class Inputs(Protocol):
    """The inputs of the typed machine."""

    def up(self) -> None: ...

    def down(self) -> None: ...


class Core:
    """What the outputs of `automat` work on."""

    def __init__(self) -> None:
        self.count = 0


def automat_factory(handlers: str) -> Callable[[Core], Inputs]:
    builder = TypeMachineBuilder(Inputs, Core)
    off, foo = builder.state("off"), builder.state("foo")
    if handlers == "bare":
        off.upon(Inputs.up).to(foo).returns(None)
    else:

        @off.upon(Inputs.up).to(foo)
        def up(inputs: Inputs, core: Core) -> None:
            core.count += 1

    foo.upon(Inputs.down).to(off).returns(None)
    return builder.build()


def automat(handlers: str) -> Loop | None:
    if handlers == "enter and state":
        return None  # It has no guards: an input is always accepted.
    return up_and_down(automat_factory(handlers)(Core()))


TOGGLES: dict[str, Callable[[str], Loop | None]] = {
    OURS: ours,
    "transitions": transitions,
    "automat": automat,
    "python-statemachine": python_statemachine,
}
