"""Handlers that move the cursor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from .._derive.url import parse_url
from .places import Place
from .session import JUMP
from .states import CursorArgs, DirectionArgs, MoveArgs, PlaceArgs, RainArgs, StepArgs, UrlArgs

if TYPE_CHECKING:
    import am_machine as am

    from .debugger import Debugger

PLAY_INTERVAL = 0.5
"""Seconds from one transition to the next while playing."""


class MovingHandlers:
    """Time travel."""

    def __init__(self, core: Debugger) -> None:
        self._core = core
        self._session = core.session

    # ------------------------------------------------------------------ input

    def UserFwdState(self, event: am.Event) -> None:
        """`Fwd` does it, as for everybody else."""
        event.machine.remove("UserFwd")

    def UserBackState(self, event: am.Event) -> None:
        """`Back` does it."""
        event.machine.remove("UserBack")

    def UserJumpState(self, event: am.Event) -> None:
        """To where the selected state changed, if there is one; else fifty transitions far."""
        forward, view = event.args_as(DirectionArgs).forward, self._session.selected
        if view is not None and view.state:
            event.machine.add("ScrollToMutTx", forward=forward)
        else:
            event.machine.add("UserFwd" if forward else "UserBack", amount=JUMP)
        event.machine.remove("UserJump")

    def UserFwdStepState(self, event: am.Event) -> None:
        """`FwdStep` does it."""
        event.machine.remove("UserFwdStep")

    def UserBackStepState(self, event: am.Event) -> None:
        """`BackStep` does it."""
        event.machine.remove("UserBackStep")

    # ------------------------------------------------------------------ transitions

    def FwdState(self, event: am.Event) -> None:
        """Go forward; at the end playing ends."""
        has_moved = self._session.forward(max(event.args_as(MoveArgs).amount, 1))
        if not has_moved:
            event.machine.remove("Playing")
        self._moved(event, "Fwd", is_deliberate="UserFwd" in event.machine)

    def BackState(self, event: am.Event) -> None:
        """Go back."""
        self._session.back(max(event.args_as(MoveArgs).amount, 1))
        self._moved(event, "Back", is_deliberate=True)

    def SetCursorState(self, event: am.Event) -> None:
        """Go to a transition of the selected machine."""
        args = event.args_as(CursorArgs)
        self._session.to(args.number, args.step)
        self._moved(event, "SetCursor", is_deliberate=True)
        event.machine.remove("Playing", "TailMode")

    def MatrixRainSelectedState(self, event: am.Event) -> None:
        """Go to the transition of a row, and select the state of a column."""
        args = event.args_as(RainArgs)
        event.machine.add("SetCursor", number=args.number)
        if args.state:
            event.machine.add("StateNameSelected", state=args.state)
        event.machine.remove("MatrixRainSelected")

    def ScrollToMutTxState(self, event: am.Event) -> None:
        """Go to where the selected state changed; stay, and say so, if there is no such place."""
        forward = event.args_as(DirectionArgs).forward
        view = self._session.selected
        if not self._session.to_change(forward=forward) and view is not None:
            where = "later" if forward else "earlier"
            self._core.ui.notify(f"no {where} transition changed {view.state or 'a state'}")
        self._moved(event, "ScrollToMutTx", is_deliberate=True)
        event.machine.remove("Playing", "TailMode")

    def ScrollToTxState(self, event: am.Event) -> None:
        """Go to a transition of any machine."""
        args = event.args_as(PlaceArgs)
        event.machine.add("SwitchingClientTx", client=args.client, number=args.number)

    def SwitchingClientTxState(self, event: am.Event) -> None:
        """Select the machine if need be, and go to its transition."""
        args = event.args_as(PlaceArgs)
        machine = event.machine
        client = self._core.session.store.get(args.client)
        if client is None:
            self._core.ui.notify(f"there is no machine {args.client}")
            machine.remove("SwitchingClientTx")
            return
        view = self._session.view(client)
        self._session.go(Place(client.serial, args.number, 0, view.state, view.group))
        if view.cursor != args.number and client.first <= args.number <= client.last:
            self._core.ui.notify(f"{client.id}/{args.number} is hidden by the filters")
        self._session.remember()
        self._arrived(event)
        machine.add("SwitchedClientTx")

    # ------------------------------------------------------------------ steps

    def FwdStepState(self, event: am.Event) -> None:
        """Go a step on, beyond the last to the next transition."""
        self._session.step_by(max(event.args_as(MoveArgs).amount, 1))
        self._moved(event, "FwdStep")

    def BackStepState(self, event: am.Event) -> None:
        """Go a step back, before the first to the end of the previous transition."""
        self._session.step_by(-max(event.args_as(MoveArgs).amount, 1))
        self._moved(event, "BackStep")

    def ScrollToStepState(self, event: am.Event) -> None:
        """Go to a step."""
        self._session.to_step(event.args_as(StepArgs).step)
        self._moved(event, "ScrollToStep")

    def TimelineStepsScrolledState(self, event: am.Event) -> None:
        """Go to where the timeline of steps was clicked."""
        self._session.to_step(event.args_as(StepArgs).step)
        self._moved(event, "TimelineStepsScrolled")

    # ------------------------------------------------------------------ playing

    async def PlayingState(self, event: am.Event) -> None:
        """Go forward every half second, until the end."""
        while True:
            await trio.sleep(PLAY_INTERVAL)
            event.machine.add("Fwd")

    def TailModeState(self, event: am.Event) -> None:
        """Go to the latest transition, and stay there as more come."""
        self._session.to_end()
        self._core.moved()

    # ------------------------------------------------------------------ places

    def GoBackState(self, event: am.Event) -> None:
        """Go to the place before."""
        self._go(event, "GoBack", self._session.places.back())

    def GoFwdState(self, event: am.Event) -> None:
        """Go to the place after."""
        self._go(event, "GoFwd", self._session.places.forward())

    def GoPrevMachineState(self, event: am.Event) -> None:
        """Go to the last place at another machine."""
        self._go(event, "GoPrevMachine", self._session.places.previous_machine())

    def GoNextMachineState(self, event: am.Event) -> None:
        """Go to the next place at another machine."""
        self._go(event, "GoNextMachine", self._session.places.next_machine())

    def GoToUrlState(self, event: am.Event) -> None:
        """Go to the place of an address; where it names no moment, as to a machine of the list."""
        core, machine = self._core, event.machine
        text = event.args_as(UrlArgs).url
        place = core.place_of(text)
        if place is not None:
            names_moment = parse_url(text).names_moment
            self._session.go(place, keeps_moment=not names_moment)
            if names_moment:
                self._arrived(event)
            else:
                machine.add("ClientSelected")
                if "TailMode" in machine:
                    self._session.to_end()
                core.moved()
            self._session.remember()
        machine.remove("GoToUrl")

    def _go(self, event: am.Event, state: str, place: Place | None) -> None:
        if place is not None and self._session.go(place):
            self._arrived(event)
        event.machine.remove(state)

    def _arrived(self, event: am.Event) -> None:
        event.machine.remove("Playing", "TailMode")
        self._core.wants_tail = False  # it would leave the place at once
        event.machine.add("ClientSelected")
        self._core.moved()

    def _moved(self, event: am.Event, state: str, *, is_deliberate: bool = False) -> None:
        if is_deliberate:
            self._session.remember()
        # The log follows the cursor again.
        event.machine.remove("LogUserScrolled")
        self._core.moved()
        event.machine.remove(state)
