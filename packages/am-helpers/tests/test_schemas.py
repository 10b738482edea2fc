"""Acceptance 1: the tables of the shared schemas, entry by entry, and mixing them."""

from __future__ import annotations

from typing import Any

import pytest

import am_helpers as amh
import am_machine as am

C = ("Connecting", "Connected", "Disconnecting", "Disconnected")

BASIC: dict[str, dict[str, Any]] = {
    "Exception": {"multi": True},
    "ErrNetwork": {"multi": True, "add": ("Exception",), "require": ("Exception",)},
    "ErrHandlerTimeout": {"multi": True, "add": ("Exception",), "require": ("Exception",)},
    "Start": {},
    "Ready": {"require": ("Start",)},
    "Healthcheck": {"multi": True},
    "Heartbeat": {},
}
CONNECTED: dict[str, dict[str, Any]] = {
    "ErrConnecting": {"require": ("Exception",)},
    "Connecting": {"require": ("Start",), "remove": (C[1], C[2], C[3])},
    "Connected": {"require": ("Start",), "remove": (C[0], C[2], C[3])},
    "Disconnecting": {"remove": (C[0], C[1], C[3])},
    "Disconnected": {"auto": True, "remove": (C[0], C[1], C[2])},
    "Start": {},
    "Exception": {"multi": True},
}
CONN_POOL: dict[str, dict[str, Any]] = {
    "ErrConnecting": {"require": ("Exception",)},
    "Connecting": {"require": ("Start",), "remove": ("Disconnecting",)},
    "Connected": {"require": ("Start",), "remove": ("Disconnected",)},
    "ConnectedFully": {"require": ("Connected",), "remove": ("Disconnected",)},
    "Disconnecting": {"remove": ("ConnectedFully", "Connected", "Connecting")},
    "Disconnected": {"remove": ("Connecting", "ConnectedFully", "Disconnecting")},
    "Start": {},
    "Exception": {"multi": True},
}
DISPOSED: dict[str, dict[str, Any]] = {
    "RegisterDisposal": {"multi": True},
    "Disposing": {"remove": ("Start",)},
    "Disposed": {"remove": ("Start", "Exception", "Disposing")},
    "Start": {},
    "Exception": {"multi": True},
}
TABLES = [
    (amh.Basic, BASIC),
    (amh.Connected, CONNECTED),
    (amh.ConnPool, CONN_POOL),
    (amh.Disposed, DISPOSED),
]


@pytest.mark.parametrize(("states", "table"), TABLES, ids=lambda v: getattr(v, "__name__", ""))
def test_each_schema_equals_its_table(
    states: type[am.States], table: dict[str, dict[str, Any]]
) -> None:
    assert states.names() == tuple(table)
    for name, want in table.items():
        state = states.schema()[name]
        assert (state.auto, state.multi) == (want.get("auto", False), want.get("multi", False))
        for relation in ("require", "add", "remove", "after"):
            assert tuple(getattr(state, relation)) == want.get(relation, ()), (name, relation)


def test_groups_are_those_of_the_tables() -> None:
    assert dict(amh.Connected.groups()) == {"Connected": C}
    assert dict(amh.ConnPool.groups()) == {"Connected": ("Connected", "Disconnected")}


def test_mixing_keeps_the_index_order() -> None:
    class Mixed(amh.Basic, amh.Connected, am.States):
        Working = am.State(require=["Ready"])

    assert Mixed.names() == (*BASIC, "ErrConnecting", *C, "Working")
    assert Mixed.schema()["Start"] == "Start"
    assert dict(Mixed.groups()) == {"Connected": C}


def test_disconnected_starts_by_itself_on_the_first_tick(machine: Any) -> None:
    class Mixed(amh.Basic, amh.Connected, am.States):
        pass

    mach = machine(Mixed)
    mach.add("Start")
    assert mach.is_("Start", "Disconnected")
    mach.add("Connecting")
    assert mach.active == ("Start", "Connecting")


def test_a_connecting_error_is_wrapped_and_keeps_its_cause(machine: Any) -> None:
    mach = machine(amh.Connected)
    cause = OSError("refused")
    amh.add_err_connecting(mach, cause)
    assert mach.is_("ErrConnecting", "Exception")
    assert isinstance(mach.err, amh.ConnectingError)
    assert mach.err.__cause__ is cause
