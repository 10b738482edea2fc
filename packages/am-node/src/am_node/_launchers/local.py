"""Starting workers as child processes of this one."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import trio

from .._boot import BOOT_VARIABLE, framed
from .._entry import is_frozen
from .._frozen import frozen_command
from .._interpreter import interpreter_options
from .base import ExitInfo, WorkerHandle, WorkerSpec
from .output import FLOOD_SECONDS, Tail, read_lines
from .process import LocalProcess, start_process

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trio import TaskStatus

# With -P a file of the current directory cannot take the place of a module that a worker needs
# before it has its supervisor's path.
MODULE = ("-P", "-m", "am_node", "worker")
# After a process is gone its pipes end, unless a grandchild that left the group still holds them.
_DRAIN_SECONDS = 1.0
_REAP_SECONDS = 5.0
# A shorter flood may be an honest burst; a longer one is told of, whatever ended the worker.
_TELL_SECONDS = 2.0


class LocalLauncher:
    """The default launcher: ``python -P -m am_node worker``, or any `command` that speaks its
    protocol. Workers get this interpreter's options (``-O``, ``-W``, ``-X dev`` and so on).

    `env` is added to this process's environment, `cwd` is the directory to run in (default: this
    one's). Each worker is the leader of a process group, which dies with it, and inherits no
    descriptor but 0 to 2.

    :raises ValueError: without `command` in a frozen program that did not call `freeze_support`.
    """

    same_host = True
    lifeline = True
    output = True

    def __init__(
        self,
        command: Sequence[str] = (),
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> None:
        self.command = tuple(command) or _command()
        self._env = dict(env or {})
        self._cwd = cwd

    def command_for(self, spec: WorkerSpec) -> tuple[str, ...]:
        """The command line that starts `spec`; launchers built on this one override it."""
        return spec.command or self.command

    async def run(
        self,
        spec: WorkerSpec,
        task_status: TaskStatus[WorkerHandle] = trio.TASK_STATUS_IGNORED,
    ) -> ExitInfo:
        """Start one worker, report its handle, return when it ended; cancelling kills its process
        group.

        :raises OSError: if it cannot be started.
        """
        process = await start_process(
            self.command_for(spec), env=self._environment(), cwd=self._cwd
        )
        try:
            return await _attend(process, spec, task_status)
        finally:
            process.kill()
            with trio.CancelScope(shield=True, deadline=trio.current_time() + _REAP_SECONDS):
                await process.wait()
            process.close()

    def _environment(self) -> dict[str, str]:
        env = {**os.environ, **self._env}
        env.pop(BOOT_VARIABLE, None)
        # A worker that is killed must not take half of its log with it.
        env.setdefault("PYTHONUNBUFFERED", "1")
        return env


def _command() -> tuple[str, ...]:
    """What starts a worker with this very interpreter, and its options."""
    if is_frozen():
        return frozen_command()
    return (sys.executable, *interpreter_options(), *MODULE)


async def _attend(
    process: LocalProcess, spec: WorkerSpec, task_status: TaskStatus[WorkerHandle]
) -> ExitInfo:
    tail = Tail()
    floods: dict[str, float] = {}
    open_streams = 2
    drained = trio.Event()

    async def pump(stream: trio.abc.ReceiveStream, name: str) -> None:
        nonlocal open_streams

        def sink(line: str) -> None:
            if name == "stderr":
                tail.add(line)
            spec.line(name, line)

        def flooded(seconds: float) -> None:
            floods[name] = seconds
            if seconds >= FLOOD_SECONDS:
                process.kill()

        await read_lines(stream, sink, flooded)
        open_streams -= 1
        if not open_streams:
            drained.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(pump, process.stdout, "stdout")
        nursery.start_soon(pump, process.stderr, "stderr")
        nursery.start_soon(process.feed, framed(spec.config))
        task_status.started(process)
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
