"""The turnstile of `examples/fsm` in two other libraries, as each of them recommends to write it.

Each takes a coin if it is locked, lets one person through if it is not, and counts its coins; what
does not fit changes nothing and is no error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from statemachine import State, StateChart
from transitions import Machine

import am_machine as am
from examples.fsm.main import Turnstile, TurnstileStates

if TYPE_CHECKING:
    from collections.abc import Callable

INPUTS = ("push", "coin", "coin", "push", "push", "coin")


class TurnstileModel:
    """With transitions: a model, and a table of moves."""

    MOVES = (
        {"trigger": "coin", "source": "locked", "dest": "unlocked", "after": "keep"},
        {"trigger": "push", "source": "unlocked", "dest": "locked"},
    )

    def __init__(self) -> None:
        self.coins = 0
        Machine(
            self,
            states=["locked", "unlocked"],
            transitions=list(self.MOVES),
            initial="locked",
            ignore_invalid_triggers=True,
        )

    def keep(self) -> None:
        """Count the coin."""
        self.coins += 1


class TurnstileChart(StateChart):
    """With python-statemachine: states and events are attributes."""

    locked = State(initial=True)
    unlocked = State()
    coin = locked.to(unlocked)
    push = unlocked.to(locked)

    def __init__(self) -> None:
        self.coins = 0
        super().__init__()

    def on_coin(self) -> None:
        """Count the coin."""
        self.coins += 1


Turns = tuple["Callable[[], object]", "Callable[[], object]", "Callable[[], tuple[bool, int]]"]
"""What a coin does, what a push does; whether it is locked, and how many coins it has."""


def ours() -> Turns:
    """The one of `examples/fsm`."""
    handlers = Turnstile()
    machine = am.Machine(TurnstileStates, handlers=handlers)
    machine.set("Locked")
    return (
        lambda: machine.add("InputCoin"),
        lambda: machine.add("InputPush"),
        lambda: ("Locked" in machine, handlers.coins),
    )


def with_transitions() -> Turns:
    """The one of transitions."""
    model = cast("Any", TurnstileModel())
    return model.coin, model.push, lambda: (model.state == "locked", model.coins)


def with_statemachine() -> Turns:
    """The one of python-statemachine."""
    chart = TurnstileChart()
    return chart.coin, chart.push, lambda: (chart.locked.is_active, chart.coins)


ALL = {
    "am-machine": ours,
    "transitions": with_transitions,
    "python-statemachine": with_statemachine,
}


def story(turns: Turns) -> list[tuple[bool, int]]:
    """What each input of `INPUTS` leads to."""
    coin, push, look = turns
    told = []
    for one in INPUTS:
        (coin if one == "coin" else push)()
        told.append(look())
    return told
