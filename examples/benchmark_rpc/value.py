"""What is served: a value out of three, an operation that changes it, an event that tells so."""

from __future__ import annotations

import random
import threading

import am_machine as am

VALUES = ("Value1", "Value2", "Value3")


class ValueStates(am.States):
    """As states, for those who share them."""

    Value1 = am.State(remove=VALUES)
    Value2 = am.State(remove=VALUES)
    Value3 = am.State(remove=VALUES)
    CallOp = am.State(multi=True)
    Event = am.State(multi=True)


class Handlers:
    """Answers a call with another value and an event."""

    def CallOpState(self, event: am.Event) -> None:
        """Take any value, then tell."""
        event.add(random.choice(VALUES), "Event")


def machine() -> am.Machine:
    """The source, with a first value."""
    mach = am.Machine(ValueStates, id="value", handlers=Handlers())
    mach.add(VALUES[0])
    return mach


class Service:
    """As methods, for those who call them, each in a thread of its own."""

    def __init__(self) -> None:
        self._value = 1
        self._events = 0
        self._changed = threading.Condition()

    def get(self) -> int:
        """The value."""
        return self._value

    def call(self) -> None:
        """Take any value, then tell."""
        with self._changed:
            self._value = random.randint(1, len(VALUES))
            self._events += 1
            self._changed.notify_all()

    def wait(self, known: int) -> int:
        """Wait until there were more events than that; how many there were."""
        with self._changed:
            self._changed.wait_for(lambda: self._events > known)
            return self._events
