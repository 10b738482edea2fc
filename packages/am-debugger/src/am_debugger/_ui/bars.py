"""The lines that say where the cursor is: bars, timelines, address, status."""

from __future__ import annotations

import time
from bisect import bisect_left
from typing import TYPE_CHECKING, ClassVar

from textual.strip import Strip

from .._files.inspect import inert
from . import colors
from .bar_rows import bar_rows, step_row
from .fitting import Row, spread
from .keys import bindings_of
from .lines import LineWidget
from .rows import LOST
from .virtual import strip_of

if TYPE_CHECKING:
    from textual import events
    from textual.binding import BindingType

    from .._core.debugger import Debugger

_WHEEL_TX, _WHEEL_STEP = 5, 1
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
# Seconds from one picture of it to the next.
_TURN = 0.1


class Line(LineWidget):
    """One line of text."""

    def __init__(self, debugger: Debugger, id: str) -> None:
        super().__init__(id=id)
        self.debugger = debugger

    def row(self) -> Row:
        """What it says."""
        raise NotImplementedError

    def line(self, y: int) -> Strip:
        """The line."""
        width = self.room.width
        if y:
            return Strip.blank(width, self.ground)
        return strip_of(self.row(), width, self.ground)


class TxBar(Line):
    """The transition under the cursor."""

    def row(self) -> Row:
        """Mode, number, what it was and what came of it."""
        session, machine = self.debugger.session, self.debugger.machine
        mode = machine.switch("Playing", "TailMode", "Paused") or ""
        what = {"TailMode": "Tail"}.get(str(mode), str(mode))
        return bar_rows(session, session.current, what, self.room.width)


class NextBar(Line):
    """The transition after it, whose steps are walked through."""

    def row(self) -> Row:
        """The same of the next one."""
        session = self.debugger.session
        view = session.selected
        if view is not None and session.next is None:
            lost = view.client.lost_between(view.cursor, view.client.last + 1)
            told = f"Next | nothing yet, {lost} lost" if lost else "Next | nothing yet"
            return [(told, colors.INACTIVE)]
        return bar_rows(session, session.next, "Next", self.room.width)


class AddressBar(Line, can_focus=True):
    """The address of where the user is, and the tags of the machine. Left and right go through the
    history of places."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("address")]
    ITEMS: ClassVar[tuple[tuple[str, str], ...]] = (
        ("◀ mach", "go('GoPrevMachine')"),
        ("◀", "go('GoBack')"),
        ("▶", "go('GoFwd')"),
        ("mach ▶", "go('GoNextMachine')"),
        ("copy", "copy"),
        ("paste", "paste"),
    )
    """What can be clicked, and the action it stands for."""

    def action_go(self, state: str) -> None:
        """To another place."""
        self.debugger.machine.add(state)

    def action_copy(self) -> None:
        """Copy the address, by way of the terminal."""
        url = self.debugger.session.url()
        if url is not None:
            self.app.copy_to_clipboard(str(url))
            self.debugger.ui.notify("the address is copied")

    def action_paste(self) -> None:
        """Only the terminal can paste; here is where it goes."""
        self.debugger.machine.add("AddressFocused")
        self.debugger.ui.notify("paste by the terminal's own key: the address is gone to")

    async def on_click(self, event: events.Click) -> None:
        """Do what an item stands for; elsewhere copy the address."""
        x, end = event.get_content_offset_capture(self).x, 0
        for text, action in self.ITEMS:
            start, end = end, end + len(text) + 2
            if start <= x < end - 1:
                await self.run_action(action)
                return
        self.action_copy()

    def on_paste(self, event: events.Paste) -> None:
        """Go to the address that was pasted."""
        self.debugger.machine.add("GoToUrl", url=event.text.strip())

    def row(self) -> Row:
        """The items, the address and the tags."""
        row: Row = [("  ".join([text for text, _ in self.ITEMS]) + "  ", colors.PLAIN)]
        session = self.debugger.session
        url, view = session.url(is_short=True), session.selected
        if url is None or view is None:
            told = "choose a machine, or start one with AM_DBG_ADDR=1"
            return [*row, (told, colors.INACTIVE)]
        tags = " ".join([f"#{inert(tag)}" for tag in view.client.tags])
        return [*row, (inert(str(url)), colors.LABEL), (f"  {tags}", colors.TIME)]


class StatusBar(Line):
    """What the debugger does, the selected state, and the current step in words."""

    def on_mount(self) -> None:
        """The spinner turns only while something takes a while."""
        self._turning = self.set_interval(_TURN, self.redraw, pause=True)

    def update_rows(self) -> None:
        """It may have begun to take a while, or ended."""
        if "Loading" in self.debugger.machine:
            self._turning.resume()
        else:
            self._turning.pause()
        self.refresh()

    def row(self) -> Row:
        """Status on the left, the step on the right."""
        debugger = self.debugger
        session, view = debugger.session, debugger.session.selected
        total = session.store.time_sum_at(session.shown_moment)
        size = debugger.memory.held / (1 << 20)
        row: Row = [(f"{self._doing()} | {size:.1f} MB | Graph:t{total:_}", colors.PLAIN)]
        if view is not None and view.state:
            index = view.client.version.schema.schema.index[view.state]
            clock = session.clock
            tick = clock[index] if index < len(clock) else 0
            told = f" | {inert(view.state)} | idx: {index} | tick: {tick}"
            row.append((told, colors.LABEL))
        following = session.next
        # As many as there are: of a transition that was known better before there may be fewer.
        done = following.steps[: view.step] if view is not None and following is not None else ()
        step: Row = step_row(str(done[-1])) if done else []
        return spread(row, step, self.room.width)

    def _doing(self) -> str:
        debugger = self.debugger
        if "Loading" not in debugger.machine:
            return "ready"
        turn = SPINNER[int(time.monotonic() / _TURN) % len(SPINNER)]
        told = f"{turn} loading"
        done = debugger.progress
        return (
            told if done is None else f"{told} {done.share:.0%}, {done.transitions:_} transitions"
        )


class Timeline(LineWidget, can_focus=True):
    """How far along the cursor is; `position` and `total` say it in numbers."""

    title = ""

    def __init__(self, debugger: Debugger, id: str) -> None:
        super().__init__(id=id)
        self.debugger = debugger

    def figures(self) -> tuple[int, int]:
        """Where the cursor is, and of how many."""
        raise NotImplementedError

    def go(self, position: int) -> None:
        """A place on it was chosen."""
        raise NotImplementedError

    def gaps(self, room: int) -> frozenset[int]:
        """The columns of the bar, of so many, in which something is missing."""
        return frozenset()

    def label(self) -> str:
        """What stands before the bar."""
        position, total = self.figures()
        room = len(f" {self.title} {total} / {total} ")
        return f" {self.title} {position} / {total} ".ljust(room)

    def line(self, y: int) -> Strip:
        """The figures, and the bar."""
        width = self.room.width
        position, total = self.figures()
        label = self.label()
        room = max(width - len(label), 0)
        done = round(room * position / total) if total else 0
        style = colors.LABEL + colors.CURSOR if self.has_focus else colors.LABEL
        row, at = [(label, style)], 0
        for gap in (*sorted(self.gaps(room)), room):
            row.append(("━" * (min(gap, done) - at), colors.BAR_DONE))
            row.append(("─" * (gap - max(at, done)), colors.BAR_LEFT))
            row.append((LOST if gap < room else "", colors.CANCELED))
            at = gap + 1
        return strip_of(row, width, self.ground)

    def on_focus(self) -> None:
        """What has the focus stands out."""
        self.redraw()

    def on_blur(self) -> None:
        """It has it no more."""
        self.redraw()

    def on_click(self, event: events.Click) -> None:
        """Move in proportion."""
        _, total = self.figures()
        start = len(self.label())
        x = event.get_content_offset_capture(self).x - start
        self.go(round(total * max(x + 1, 0) / max(self.size.width - start, 1)))


class TxTimeline(Timeline):
    """All visible transitions."""

    title = "Transition"

    def figures(self) -> tuple[int, int]:
        """Visible ones up to the cursor, and all."""
        view = self.debugger.session.selected
        if view is None:
            return 0, 0
        return view.visible.position(view.cursor), len(view.visible)

    def gaps(self, room: int) -> frozenset[int]:
        """Where transitions were lost before a visible one."""
        view = self.debugger.session.selected
        if view is None or not view.client.losses or not len(view.visible):
            return frozenset()
        numbers, total = view.visible.numbers, len(view.visible)
        lost = [loss.number for loss in view.client.losses]
        starts = [bisect_left(lost, numbers[total * x // room]) for x in range(room)]
        ends = [*starts[1:], len(lost)]
        return frozenset([x for x in range(room) if starts[x] < ends[x]])

    def go(self, position: int) -> None:
        """To a visible transition by its position."""
        view = self.debugger.session.selected
        if view is not None and len(view.visible):
            k = min(position, len(view.visible)) - 1
            number = view.visible.numbers[k] if k >= 0 else view.client.first - 1
            self.debugger.machine.add("SetCursor", number=number)

    def on_mouse_scroll_up(self) -> None:
        """Five on."""
        self.debugger.machine.add("UserFwd", amount=_WHEEL_TX)

    def on_mouse_scroll_down(self) -> None:
        """Five back."""
        self.debugger.machine.add("UserBack", amount=_WHEEL_TX)


class StepTimeline(Timeline):
    """The steps of the next transition."""

    title = "Step"

    def figures(self) -> tuple[int, int]:
        """The step cursor, and how many steps there are."""
        view = self.debugger.session.selected
        return (0, 0) if view is None else (view.step, self.debugger.session.step_count)

    def go(self, position: int) -> None:
        """To a step."""
        self.debugger.machine.add("TimelineStepsScrolled", step=position)

    def on_mouse_scroll_up(self) -> None:
        """One on."""
        self.debugger.machine.add("UserFwdStep", amount=_WHEEL_STEP)

    def on_mouse_scroll_down(self) -> None:
        """One back."""
        self.debugger.machine.add("UserBackStep", amount=_WHEEL_STEP)
