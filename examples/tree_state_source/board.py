"""The schema of the board, generated: 5 flights of 14 states, 3 gates of 15, and three more."""

from __future__ import annotations

from typing import Any, Final

import am_machine as am

FLIGHTS: Final = range(1, 6)
GATES: Final = range(1, 4)
PHASES: Final = (
    "Scheduled",
    "CheckIn",
    "AtGate",
    "Boarding",
    "LastCall",
    "GateClosed",
    "PushBack",
    "Departed",
)
SERVICES: Final = ("Fueling", "Catering", "Cleaning", "Bridge", "Screen", "Power", "Water")


def on_gate(flight: int, gate: int) -> str:
    """The state of a flight that stands at a gate."""
    return f"Flight{flight}OnGate{gate}"


def taken_by(gate: int, flight: int) -> str:
    """The state of the gate then. Both are called together, for an implied `add` gives way."""
    return f"Gate{gate}Flight{flight}"


def flight(number: int) -> dict[str, dict[str, Any]]:
    """States of one flight: eight phases that exclude each other, its gate, what can happen."""
    name = f"Flight{number}"
    phases = [name + phase for phase in PHASES]
    gates = [on_gate(number, gate) for gate in GATES]
    states: dict[str, dict[str, Any]] = {phase: {"remove": phases} for phase in phases}
    states |= {state: {"remove": gates} for state in gates}
    states[f"{name}Boarded"] = {"auto": True, "require": [f"{name}GateClosed"]}
    states[f"{name}Delayed"] = {}
    states[f"{name}Canceled"] = {"remove": [*phases, *gates]}
    return states


def gate(number: int) -> dict[str, dict[str, Any]]:
    """States of one gate: open or closed, free or taken by a flight, what is done there."""
    name = f"Gate{number}"
    taken = [taken_by(number, flight) for flight in FLIGHTS]
    states: dict[str, dict[str, Any]] = {
        f"{name}Open": {"remove": [f"{name}Closed"]},
        f"{name}Closed": {"remove": [f"{name}Open", *taken]},
        f"{name}Free": {"auto": True, "require": [f"{name}Open"], "remove": taken},
    }
    states |= {state: {"remove": [*taken, f"{name}Free"]} for state in taken}
    states |= {name + service: {"require": [f"{name}Open"]} for service in SERVICES}
    return states


def board() -> am.Schema:
    """The whole schema, 118 states and `Exception`."""
    states: dict[str, dict[str, Any]] = {"Ready": {}}
    for number in FLIGHTS:
        states |= flight(number)
    for number in GATES:
        states |= gate(number)
    # `Day` asks for a day of traffic; `DayDone` is added at its end.
    states |= {"Day": {"remove": ["DayDone"]}, "DayDone": {"remove": ["Day"]}}
    return am.Schema(states)
