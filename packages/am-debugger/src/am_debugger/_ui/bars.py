"""The lines that say where the cursor is: bars, timelines, address, status."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from textual.strip import Strip

from .._files.inspect import inert
from . import colors
from .keys import bindings_of
from .lines import LineWidget
from .rows import bar_rows
from .virtual import Row, strip_of

if TYPE_CHECKING:
    from textual import events
    from textual.binding import BindingType

    from .._core.debugger import Debugger

_WHEEL_TX, _WHEEL_STEP = 5, 1


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
        width = self.size.width
        if y:
            return Strip.blank(width, self.ground)
        return strip_of(self.row(), width).apply_style(self.ground)


class TxBar(Line):
    """The transition under the cursor."""

    def row(self) -> Row:
        """Mode, number, what it was and what came of it."""
        session, machine = self.debugger.session, self.debugger.machine
        mode = machine.switch("Playing", "TailMode", "Paused") or ""
        what = {"TailMode": "Tail"}.get(str(mode), str(mode))
        return bar_rows(session, session.current, what)


class NextBar(Line):
    """The transition after it, whose steps are walked through."""

    def row(self) -> Row:
        """The same of the next one."""
        session = self.debugger.session
        if session.selected is not None and session.next is None:
            return [("Next | nothing yet", colors.INACTIVE)]
        return bar_rows(session, session.next, "Next")


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
        url, view = self.debugger.session.url(), self.debugger.session.selected
        if url is None or view is None:
            told = "choose a machine, or start one with AM_DBG_ADDR=1"
            return [*row, (told, colors.INACTIVE)]
        tags = " ".join([f"#{inert(tag)}" for tag in view.client.tags])
        return [*row, (inert(str(url)), colors.LABEL), (f"  {tags}", colors.TIME)]


class GroupChooser(Line, can_focus=True):
    """The group of states that the schema and the log are limited to."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("groups")]

    def row(self) -> Row:
        """The group, `all` if there is none."""
        view = self.debugger.session.selected
        style = colors.CURSOR if self.has_focus else colors.PLAIN
        group = inert(view.group) if view is not None and view.group else "all"
        return [("Group ", colors.INACTIVE), (f"[{group}]", style)]

    def action_choose(self, by: int) -> None:
        """Another group."""
        view = self.debugger.session.selected
        if view is not None:
            groups = ["", *view.client.version.schema.schema.groups]
            at = groups.index(view.group) if view.group in groups else 0
            self.debugger.machine.add("SetGroup", group=groups[(at + by) % len(groups)])

    def on_click(self) -> None:
        """The next one."""
        self.action_choose(1)


class StatusBar(Line):
    """What the debugger does, the selected state, and the current step in words."""

    def row(self) -> Row:
        """Status on the left, the step on the right."""
        debugger = self.debugger
        session, view = debugger.session, debugger.session.selected
        told = "loading" if "Loading" in debugger.machine else ""
        if debugger.progress is not None:
            told = f"loading {debugger.progress:.0%}"
        size = debugger.held / (1 << 20)
        row: Row = [(f"{told or 'ready'} | {size:.1f} MB", colors.PLAIN)]
        if "ClientListVisible" not in debugger.machine:  # which tells it in its title
            total = session.store.time_sum_at(session.shown_moment)
            row.append((f" | Graph:t{total:_}", colors.PLAIN))
        if view is not None and view.state:
            index = view.client.version.schema.schema.index[view.state]
            clock = session.clock
            tick = clock[index] if index < len(clock) else 0
            row.append((f" | {view.state} | idx: {index} | tick: {tick}", colors.LABEL))
        following = session.next
        if view is not None and view.step and following is not None:
            row.append((f" | {following.steps[view.step - 1]}", colors.TIME))
        return row


class Timeline(LineWidget, can_focus=True):
    """How far along the cursor is; `position` and `total` say it in numbers."""

    def __init__(self, debugger: Debugger, id: str) -> None:
        super().__init__(id=id)
        self.debugger = debugger

    def figures(self) -> tuple[int, int]:
        """Where the cursor is, and of how many."""
        raise NotImplementedError

    def go(self, position: int) -> None:
        """A place on it was chosen."""
        raise NotImplementedError

    def update_rows(self) -> None:
        """The cursor moved, or more came."""
        position, total = self.figures()
        self.border_title = f"{self.title} {position} / {total}"
        self.refresh()

    title = ""

    def line(self, y: int) -> Strip:
        """The bar."""
        width = self.size.width
        position, total = self.figures()
        done = round(width * position / total) if total else 0
        segments = [
            Segment("█" * done, colors.BAR_DONE),
            Segment("─" * (width - done), colors.BAR_LEFT),
        ]
        return Strip(segments, width).apply_style(self.ground)

    def on_click(self, event: events.Click) -> None:
        """Move in proportion."""
        _, total = self.figures()
        x = event.get_content_offset_capture(self).x
        self.go(round(total * (x + 1) / max(self.size.width, 1)))


class TxTimeline(Timeline):
    """All visible transitions."""

    title = "Transition"

    def figures(self) -> tuple[int, int]:
        """Visible ones up to the cursor, and all."""
        view = self.debugger.session.selected
        if view is None:
            return 0, 0
        return view.visible.position(view.cursor), len(view.visible)

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
