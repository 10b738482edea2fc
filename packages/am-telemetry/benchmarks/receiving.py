"""A debugger in a process of its own: reads, decodes, acknowledges, and keeps nothing.

Prints its address; ends when its stdin does.
"""

from __future__ import annotations

import sys

from am_telemetry.testing import ReceivedMachine, Receiver


class Forgetful(ReceivedMachine):
    """Clocks alone: hours of entries would fill the memory."""


def forget(self: ReceivedMachine, tx: object, before: object, after: tuple[int, ...]) -> None:
    """Keep the clock."""
    self.clock = after


if __name__ == "__main__":
    ReceivedMachine.take = forget  # type: ignore[method-assign, assignment]
    with Receiver() as receiver:
        print(receiver.address, flush=True)
        sys.stdin.read()
