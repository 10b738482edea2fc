"""Where the user wants to begin may come later than the user."""

from __future__ import annotations

from am_debugger._cli.listener import Listener
from am_debugger._core.debugger import Debugger
from am_debugger._derive.url import parse_url
from am_debugger._store.link import Link

from ..exporter import Exporter
from ..messages import process


def begun(url: str) -> tuple[Debugger, Listener, Exporter]:
    debugger = Debugger()
    debugger.machine.add("Start", "Ready")
    listener = Listener(debugger, url)
    listener.expect()
    assert debugger.session.selected is None
    assert debugger.notes == [f"waits for {parse_url(url)}, which is not known yet"]
    exporter = Exporter(Link(debugger.session.store, process()), "worker")
    listener.machine_came()
    return debugger, listener, exporter


def test_a_machine_is_selected_when_it_comes() -> None:
    debugger, _, _ = begun("mach://worker")
    assert debugger.machine.is_("ClientSelected", "TailMode")


def test_a_machine_that_comes_is_followed_with_its_state_selected() -> None:
    debugger, listener, exporter = begun("mach://worker?state=Work&group=Flow")
    assert debugger.machine.is_("ClientSelected", "TailMode")
    for k in range(1, 5):
        exporter.do([2], {2: 1}, time=k)
    listener.took(1)
    view = debugger.session.selected
    assert view is not None
    assert (view.cursor, view.state, view.group) == (4, "Work", "Flow")


def test_a_transition_is_gone_to_when_it_comes() -> None:
    wanted = b"01000002"
    debugger, listener, exporter = begun(f"mach://worker/{wanted.hex()}")
    exporter.do([0], {0: 1}, time=1)
    listener.took(1)
    assert debugger.session.selected is None
    for k in range(2, 5):
        exporter.do([0], {0: 1}, time=k)
    listener.took(1)
    assert debugger.session.selected is not None
    assert debugger.session.selected.cursor == 2
    assert "TailMode" not in debugger.machine


def test_what_is_there_already_is_not_waited_for() -> None:
    debugger = Debugger()
    debugger.machine.add("Start", "Ready")
    Exporter(Link(debugger.session.store, process()), "worker")
    Listener(debugger, "mach://worker").expect()
    Listener(debugger).expect()
    assert debugger.machine.is_("ClientSelected")
    assert not debugger.notes


def test_whoever_went_elsewhere_stays_there() -> None:
    debugger, listener, _ = begun("mach://late")
    debugger.machine.add("SelectingClient", client="worker")
    Exporter(Link(debugger.session.store, process("p2")), "late")
    listener.machine_came()
    assert debugger.session.selected is not None
    assert debugger.session.selected.client.id == "worker"
