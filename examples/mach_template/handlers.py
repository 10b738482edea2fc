"""What the service does, state by state. Votes first, then what follows, then errors."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

    import am_machine as am

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def factors_of(number: int) -> tuple[int, ...]:
    """The prime factors of a number, smallest first: what this service is there for.

    :raises ValueError: if it has none.
    """
    if number < 1:
        raise ValueError(f"{number} has no prime factors")
    found: list[int] = []
    candidate = 2
    while candidate * candidate <= number:
        while number % candidate == 0:
            found.append(candidate)
            number //= candidate
        candidate += 1
    return (*found, number) if number > 1 or not found else tuple(found)


class Handlers:
    """One job at a time, in a thread; Ctrl+C and SIGTERM end the service in order."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.tell = tell

    # Life

    async def StartState(self, event: am.Event) -> None:
        """As long as it runs, signals are mutations."""
        with trio.open_signal_receiver(*SIGNALS) as signals:
            event.add("Ready")
            async for _ in signals:
                event.remove("Start")

    def ReadyState(self, event: am.Event) -> None:
        """Say so: whoever started the process may wait for this line."""
        self.tell("ready")

    def ReadyEnd(self, event: am.Event) -> None:
        """No more jobs; the one that is being done is canceled by its state."""
        self.tell("closing")

    def HealthcheckState(self, event: am.Event) -> None:
        """Answer to a health check with a sign of life."""
        event.add("Heartbeat")

    def HeartbeatState(self, event: am.Event) -> None:
        """It is a sign, not a condition."""
        event.remove("Heartbeat")

    # Work

    def WorkingWorking(self, event: am.Event) -> bool:
        """A vote, while a job is being done: no other mutation is a second job."""
        return "Working" not in event.transition.called

    async def WorkingState(self, event: am.Event) -> None:
        """Work in a thread, so that machine and connections go on."""
        number = event.args.number
        try:
            factors = await trio.to_thread.run_sync(factors_of, number, abandon_on_cancel=True)
        except ValueError as error:
            event.add_err("ErrJob", error)
            return
        event.add("Done", number=number, factors=factors)

    def DoneState(self, event: am.Event) -> None:
        """Tell what came of it."""
        outcome = event.args
        self.tell(f"{outcome.number} = {' · '.join(map(str, outcome.factors))}")

    # Errors

    def ExceptionState(self, event: am.Event) -> None:
        """Tell what went wrong, then be ready for the next job."""
        self.tell(f"{event.machine.switch('ErrJob', 'ErrNetwork') or 'error'}: {event.machine.err}")
        event.remove("Exception")
