"""The work done under chaos: long enough to be interrupted, and easy to check."""

from __future__ import annotations

import hashlib
import os

import trio

import am_node

# The variable that names the file to which each begun request is written.
LOG = "AM_NODE_CHAOS_LOG"


class Hasher(am_node.Worker):
    """Hashes a number, with a pause in the middle."""

    async def work(self, number: int) -> int:
        """Return the check value of `number`."""
        _note(number)
        await trio.sleep(0.02 * (number % 5))
        return result_of(number)


def _note(number: int) -> None:
    """Tell, once for all, that a request was begun."""
    with open(os.environ[LOG], "a") as log:
        log.write(f"{number}\n")


def result_of(number: int) -> int:
    """The check value, as plain Python."""
    return int.from_bytes(hashlib.sha256(str(number).encode()).digest()[:6])
