"""The machines of the greenhouse: they know nothing of terminals and addresses."""

from __future__ import annotations

from dataclasses import dataclass

import trio

import am_machine as am
import am_rpc


@dataclass(frozen=True)
class WaterArgs:
    """How much water, in litres."""

    litres: int = 1


class PumpStates(am_rpc.StateSource):
    """A pump that can be locked."""

    Ready = am.State()
    Locked = am.State(remove=["Watering"])
    Watering = am.State(require=[Ready], remove=["Watered"], args=WaterArgs)
    Watered = am.State(remove=[Watering])
    Idle = am.State(auto=True, require=[Ready])


class WindowStates(am_rpc.StateSource):
    """A window is open or closed."""

    Ready = am.State()
    Open = am.State(require=[Ready], remove=["Closed"])
    Closed = am.State(require=[Ready], remove=[Open])
    Idle = am.State(auto=True, require=[Ready])


class Pump:
    """Waters for a moment, unless it is locked or the tank is too small."""

    def WateringEnter(self, event: am.Event) -> bool:
        """Accept what the tank holds."""
        return event.machine.not_("Locked") and 0 < event.args.litres <= 10

    async def WateringState(self, event: am.Event) -> None:
        """Let the water run; a litre takes 0.1 s."""
        await trio.sleep(event.args.litres / 10)
        event.machine.add("Watered")
