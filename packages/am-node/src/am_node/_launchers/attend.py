"""Following one started process to its end: what it prints, and how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from .._boot import framed
from .base import ExitInfo, WorkerHandle, WorkerSpec
from .output import FLOOD_SECONDS, Tail, read_lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio import TaskStatus

    from .process import LocalProcess

    Sieve = Callable[[str, str], bool]

# After a process is gone its pipes end, unless a grandchild that left the group still holds them.
_DRAIN_SECONDS = 1.0
# A shorter flood may be an honest burst; a longer one is told of, whatever ended the worker.
_TELL_SECONDS = 2.0


def _takes_nothing(stream: str, line: str) -> bool:
    return False


async def attend(
    process: LocalProcess,
    spec: WorkerSpec,
    task_status: TaskStatus[WorkerHandle],
    *,
    handle: WorkerHandle | None = None,
    sieve: Sieve = _takes_nothing,
) -> ExitInfo:
    """Hand the process its configuration, report `handle` (default: the process), pass on lines.

    `sieve(stream, line)` is asked first and tells whether it took the line: what the command says
    that stands between is not said by the worker. One that floods is killed.
    """
    tail = Tail()
    floods: dict[str, float] = {}
    open_streams = 2
    drained = trio.Event()
    held = process if handle is None else handle

    async def pump(stream: trio.abc.ReceiveStream, name: str) -> None:
        nonlocal open_streams

        def sink(line: str) -> None:
            if sieve(name, line):
                return
            if name == "stderr":
                tail.add(line)
            spec.line(name, line)

        def flooded(seconds: float) -> None:
            floods[name] = seconds
            if seconds >= FLOOD_SECONDS:
                held.kill()

        await read_lines(stream, sink, flooded)
        open_streams -= 1
        if not open_streams:
            drained.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(pump, process.stdout, "stdout")
        nursery.start_soon(pump, process.stderr, "stderr")
        nursery.start_soon(process.feed, framed(spec.config))
        task_status.started(held)
        returncode = await process.wait()
        with trio.move_on_after(_DRAIN_SECONDS):
            await drained.wait()
        nursery.cancel_scope.cancel()
    reasons = [f"flooded {name}" for name, seconds in floods.items() if seconds >= _TELL_SECONDS]
    if returncode is None:
        reasons.append("nobody knows how: this process ignores SIGCHLD")
    by_signal = returncode is not None and returncode < 0
    return ExitInfo(
        code=None if by_signal else returncode,
        signal=-returncode if returncode is not None and by_signal else None,
        stderr=str(tail),
        reason=", ".join(reasons),
    )
