"""Handlers of what is read closer: nodes, the log's level, overlays, notes, wishes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .opening import begin_again
from .ports import Part
from .states import DIALOGS, LevelArgs, NodeArgs, NoteArgs, OverlayArgs

if TYPE_CHECKING:
    import am_machine as am

    from .debugger import Debugger

LEVELS = ("silent", "external", "changes", "ops", "decisions", "everything")
"""Names of the levels of the log."""
DETAILS = ("mute", "journal", "everything")
"""Names of the levels of detail that a machine tells at."""


class ReadingHandlers:
    """Nodes, the log, overlays, notes, wishes."""

    def __init__(self, core: Debugger) -> None:
        self._core = core
        self._session = core.session

    # ------------------------------------------------------------------ nodes

    def NodeToggledState(self, event: am.Event) -> None:
        """Open a node, or close it."""
        args = event.args_as(NodeArgs)
        nodes = self._nodes(args.pane)
        if nodes is not None:
            nodes ^= {args.node}
        self._core.ui.invalidate(Part.SCHEMA, Part.READER)
        event.machine.remove("NodeToggled")

    def AllToggledState(self, event: am.Event) -> None:
        """Open all nodes of the focused tree; if all are open, close them."""
        session, view = self._session, self._session.selected
        if "LogReaderFocused" in event.machine:
            session.is_reader_folded = not session.is_reader_folded
            session.reader_nodes.clear()
        elif view is not None:
            names = set(view.client.version.names)
            view.opened = set() if view.opened >= names else names
        self._core.ui.invalidate(Part.SCHEMA, Part.READER)
        event.machine.remove("AllToggled")

    def UpdateLogReaderState(self, event: am.Event) -> None:
        """Gather the facts anew."""
        self._core.ui.invalidate(Part.READER)
        event.machine.remove("UpdateLogReader")

    def _nodes(self, pane: str) -> set[str] | None:
        if pane == "reader":
            return self._session.reader_nodes
        view = self._session.selected
        return None if view is None else view.opened

    # ------------------------------------------------------------------ log

    def SetLogLevelState(self, event: am.Event) -> None:
        """Show lines up to a level."""
        level = event.args_as(LevelArgs).level
        self._session.log_level = max(0, min(level, len(LEVELS) - 1))
        self._core.ui.invalidate(Part.LOG, Part.TOOLBARS)
        event.machine.remove("SetLogLevel")

    def NextLogLevelState(self, event: am.Event) -> None:
        """Show lines of one level more."""
        event.machine.add("SetLogLevel", level=(self._session.log_level + 1) % len(LEVELS))
        event.machine.remove("NextLogLevel")

    # ------------------------------------------------------------------ dialogs

    def OverlayState(self, event: am.Event) -> None:
        """Show a text in full."""
        args = event.args_as(OverlayArgs)
        self._core.overlay = (args.title, args.text)
        begin_again(self._core, event)
        self._core.ui.invalidate(Part.DIALOG)

    def DialogFocusedEnd(self, event: am.Event) -> None:
        """Another pane takes the focus: nothing stays open over it."""
        opened = [name for name in DIALOGS if name in event.machine]
        if opened:
            event.machine.remove(*opened)

    # ------------------------------------------------------------------ notes

    def SetNoteState(self, event: am.Event) -> None:
        """Put a note on the transition under the cursor; an empty one takes it away."""
        view, text = self._session.selected, event.args_as(NoteArgs).text.strip()
        if view is not None and view.cursor >= view.client.first:
            if text:
                view.client.notes[view.cursor] = text
            else:
                view.client.notes.pop(view.cursor, None)
            self._core.ui.invalidate(Part.LOG, Part.READER)
        event.machine.remove("SetNote")

    # ------------------------------------------------------------------ wishes

    def AskPendingState(self, event: am.Event) -> None:
        """Ask the machine what it waits for; the answer is shown by the reader."""
        view = self._session.selected
        if view is not None and not self._core.wishes.ask_pending(view.client):
            self._core.ui.notify(f"{view.client.id} is not connected")
        event.machine.remove("AskPending")

    def NextDetailState(self, event: am.Event) -> None:
        """Want the selected machine at the next level of detail."""
        core, view = self._core, self._session.selected
        if view is not None:
            now = core.wishes.detail_of(view.client)
            if now is None:
                core.ui.notify(f"{view.client.id} is not connected")
            else:
                level = (now + 1) % len(DETAILS)
                core.wishes.want_detail(view.client, level)
                core.ui.notify(f"{view.client.id}: {DETAILS[level]}")
                core.ui.invalidate(Part.LOG, Part.READER, Part.STATUS)
        event.machine.remove("NextDetail")
