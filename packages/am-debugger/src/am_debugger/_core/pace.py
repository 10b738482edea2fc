"""Keys first: what comes in gives way while a key is on its way to the screen, and what nobody
waits for while keys are pressed at all."""

from __future__ import annotations

import trio

LONGEST = 0.1
"""Seconds that a key may have for itself, and that may be given away in a row."""
LULL = 0.5
"""Seconds without a key, after which what nobody waits for goes on."""
# Of the time that was worked, what may be given away: a key that is held stops nothing.
_SHARE = 2.0


class Pace:
    """Whether a key is on its way to the screen. Whoever takes in much at a time calls `turn`
    between two slices of a few milliseconds, whoever does what nobody waits for `lull`."""

    def __init__(self) -> None:
        self._shown: trio.Event | None = None
        self._left = LONGEST
        self._since: float | None = None
        # Keys that were pressed, and of these as many as were over when there was a lull last.
        self._keys = self._over = 0

    @property
    def has_key(self) -> bool:
        """Whether a key is on its way."""
        return self._shown is not None

    def press(self) -> None:
        """A key was pressed, and may find another one on its way."""
        self._keys += 1

    def begin_key(self) -> None:
        """A key that was pressed is on its way. To be called in the thread of the loop."""
        if self._shown is None:
            self._shown = trio.Event()

    def end_key(self) -> None:
        """What it did is on the screen, or it did nothing."""
        if self._shown is not None:
            self._shown.set()
            self._shown = None

    async def turn(self) -> None:
        """Let others have a turn; if a key is on its way, until it is there or enough was given
        away. Always a checkpoint."""
        began = trio.current_time()
        if self._since is not None:
            self._left = min(LONGEST, self._left + _SHARE * (began - self._since))
        if self._shown is not None and self._left > 0:
            with trio.move_on_after(self._left):
                await self._shown.wait()
            ended = trio.current_time()
            self._left -= ended - began
            began = ended
        else:
            await trio.lowlevel.checkpoint()
        self._since = began

    async def lull(self) -> None:
        """Wait until no key was pressed for a while. Always a checkpoint."""
        while self._over != self._keys:
            seen = self._keys
            await trio.sleep(LULL)
            if self._keys == seen:
                self._over = seen
        await trio.lowlevel.checkpoint()
