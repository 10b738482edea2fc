"""A wake-up for the one task that waits for it."""

from __future__ import annotations

import trio


class Signal:
    """Like an event that resets itself, for a single waiting task.

    A `set` that nobody waits for is kept, so none is lost. Cheaper than an event per round, and it
    is set on the hot path of every message.
    """

    __slots__ = ("_pending", "_task")

    def __init__(self) -> None:
        self._task: trio.lowlevel.Task | None = None
        self._pending = False

    def set(self) -> None:
        """Wake the waiting task, or the next one to wait."""
        task = self._task
        if task is None:
            self._pending = True
        else:
            self._task = None
            trio.lowlevel.reschedule(task)

    async def wait(self) -> None:
        """Wait for a `set`; returns at once, without a checkpoint, if there was one."""
        if self._pending:
            self._pending = False
            return
        self._task = trio.lowlevel.current_task()

        def abort(_: object) -> trio.lowlevel.Abort:
            self._task = None
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)
