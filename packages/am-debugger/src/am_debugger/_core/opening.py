"""What opens over the panes: asked for once more, it closes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .states import DIALOGS, PAGES, SEARCHES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    import am_machine as am

    from .debugger import Debugger


class Opened(NamedTuple):
    """A dialog by its state, and what it is about: the same dialog may ask for a filter, or for
    what to look for."""

    dialog: str
    about: object = None


def opened(core: Debugger) -> Opened | None:
    """What is open, if anything is."""
    dialog = core.machine.switch(*DIALOGS)
    if dialog is None:
        return None
    about: Mapping[str, object] = {
        "QueryDialog": core.asks_filter,
        "FactsPage": core.page_state,
        "Overlay": core.overlay,
    }
    return Opened(str(dialog), about.get(str(dialog)))


def opened_by(state: str, args: Mapping[str, Any]) -> Opened | None:
    """What a state opens, None if nothing."""
    if state in PAGES:
        return Opened("FactsPage", state)
    if state == "QueryDialog":
        return Opened(state, bool(args.get("is_filter")))
    if state == "Overlay":
        return Opened(state, (args["title"], args["text"]))
    return Opened(state) if state in DIALOGS else None


def open_or_close(core: Debugger, state: str, args: Mapping[str, Any]) -> None:
    """Add a state; where it would open what is open, or what this press of the mouse has closed
    just now, that closes instead."""
    wanted = opened_by(state, args)
    if wanted is not None and wanted in (opened(core), core.closed):
        close(core)
    else:
        core.machine.add(state, **args)


def begin_again(core: Debugger, event: am.Event) -> None:
    """A dialog was asked for. If it is open already, it is about something else now, and begins
    there: the focus, which comes with one that opens, is in it."""
    dialog = event.machine.switch(*DIALOGS)
    if dialog in event.transition.before:
        core.ui.focus("DialogFocused")


def close_beside(core: Debugger) -> None:
    """The mouse was pressed beside what is open."""
    core.closed = opened(core)
    if core.closed is not None:
        close(core)


def close(core: Debugger) -> bool:
    """Close what is open, else what is left of a search on the screen; False if there is neither.

    A line that asks what to look for is closed with all of the search.
    """
    shown = opened(core)
    if shown is not None:
        core.machine.remove(shown.dialog)
        if shown.dialog not in SEARCHES:
            return True
    is_shown = "SearchShown" in core.machine
    core.machine.remove("SearchShown")
    return is_shown or shown is not None
