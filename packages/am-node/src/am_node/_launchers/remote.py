"""What launchers for other hosts share: a local command stands for a process elsewhere.

Ending the command does not end the process there. It first says by one line that it runs, and as
what, so that it can be ended where it is; until then it waits for its turn.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

import trio

from .attend import attend
from .local import LocalLauncher
from .process import start_process

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trio import TaskStatus

    from .base import ExitInfo, WorkerHandle, WorkerSpec
    from .process import LocalProcess

WORKER = ("python", "-m", "am_node", "worker")
# Told on stderr by the shell that becomes the worker: the mark, its pid, and what the engine calls
# it. The worker inherits the shell's streams and its pid.
_SHELL = 'echo "$0 $$ ${SLURM_JOB_ID-} ${SLURM_STEP_ID-}" >&2; exec "$@"'
_MARK = "am-node-placed-"
# For the process to be gone after it was ended where it is; then the command is ended.
_GOES = 5.0
_ENDS = 30.0
# For one call of an engine's command.
_CALL = 10.0
_MOST_TOLD = 500


class FarProcess:
    """A worker behind a local command. It is a `QueuedHandle`."""

    pid = None

    def __init__(self, spec: WorkerSpec, process: LocalProcess, mark: str) -> None:
        self.spec = spec
        self.pending = "queued"
        # What the shell told: pid, job, step.
        self.place: tuple[str, ...] = ()
        # The latest line of the local command's own, and the latest reason to wait.
        self.told = self.waited_for = ""
        self.kill_asked = trio.Event()
        self._process = process
        self._mark = mark
        self._placed = trio.Event()

    async def placed(self) -> None:
        """Wait until the process runs on its host."""
        await self._placed.wait()

    @property
    def is_placed(self) -> bool:
        """Whether it runs, or ran."""
        return self._placed.is_set()

    def take_mark(self, stream: str, line: str) -> bool:
        """Take the line that tells that the process runs."""
        if self.is_placed or stream != "stderr" or not line.startswith(self._mark):
            return False
        self.place = tuple(line.split(" ")[1:])
        self.pending = ""
        self._placed.set()
        return True

    def terminate(self) -> None:
        """Close the lifeline, which asks the worker to drain."""
        self._process.close_lifeline()

    def kill(self) -> None:
        """Have it ended where it runs."""
        self.kill_asked.set()


class RemoteLauncher(LocalLauncher):
    """The base of launchers that start workers on other hosts through a local command.

    The worker's stdin is forwarded and is its lifeline. `start_timeout` are the seconds that a
    worker has from its start there until it reports.
    """

    same_host = False

    def __init__(
        self,
        command: Sequence[str] = WORKER,
        *,
        env: Mapping[str, str] | None = None,
        start_timeout: float = 60.0,
    ) -> None:
        super().__init__(command, env=env)
        if not start_timeout > 0:
            raise ValueError(f"start_timeout must be a number of seconds, not {start_timeout!r}")
        self.start_timeout = start_timeout

    # -- what each engine says

    def prefix_for(self, spec: WorkerSpec) -> tuple[str, ...]:
        """What to put before the worker's command."""
        raise NotImplementedError

    async def end(self, far: FarProcess) -> None:
        """End the process where it runs, or take it out of the queue."""
        raise NotImplementedError

    async def sweep(self, far: FarProcess) -> None:
        """Be sure that nothing is left of it, now that the local command is gone."""

    async def watch(self, far: FarProcess) -> None:
        """Keep `pending` true while it waits."""

    def take_line(self, far: FarProcess, stream: str, line: str) -> bool:
        """Take what the local command itself says; False if it is the worker's."""
        return False

    def judge(self, far: FarProcess, info: ExitInfo) -> ExitInfo:
        """What the end of the local command says of the worker."""
        return info

    # -- what they share

    def command_for(self, spec: WorkerSpec) -> tuple[str, ...]:
        """The prefix, then the worker's command."""
        return (*self.prefix_for(spec), *super().command_for(spec))

    async def run(
        self,
        spec: WorkerSpec,
        task_status: TaskStatus[WorkerHandle] = trio.TASK_STATUS_IGNORED,
    ) -> ExitInfo:
        """Start one worker, report its handle, return when it ended; cancelling ends it where it
        runs.

        :raises OSError: if it cannot be started.
        """
        mark = f"{_MARK}{secrets.token_hex(8)}"
        marked = replace(spec, command=("sh", "-c", _SHELL, mark, *(spec.command or self.command)))
        process = await start_process(
            self.command_for(marked), env=self._environment(), cwd=self._cwd
        )
        far = FarProcess(spec, process, mark)

        def sieve(stream: str, line: str) -> bool:
            if far.take_mark(stream, line):
                return True
            took = self.take_line(far, stream, line)
            if took:
                far.told = line[:_MOST_TOLD]
            return took

        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._kill_when_asked, far, process)
                nursery.start_soon(self.watch, far)
                info = await attend(process, spec, task_status, handle=far, sieve=sieve)
                nursery.cancel_scope.cancel()
            return self.judge(far, info)
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + _ENDS):
                await self._see_it_gone(far, process)
            process.kill()
            with trio.CancelScope(shield=True, deadline=trio.current_time() + _GOES):
                await process.wait()
            process.close()

    async def _kill_when_asked(self, far: FarProcess, process: LocalProcess) -> None:
        await far.kill_asked.wait()
        await self.end(far)
        await trio.sleep(_GOES)
        process.kill()

    async def _see_it_gone(self, far: FarProcess, process: LocalProcess) -> None:
        is_cut_short = process.returncode is None
        if is_cut_short:
            await self.end(far)
            with trio.move_on_after(_GOES):
                await process.wait()
            process.kill()
        if is_cut_short or far.kill_asked.is_set():
            await self.sweep(far)


async def call(*command: str, env: Mapping[str, str] | None = None) -> tuple[int | None, str]:
    """Run a command of the engine; return its exit code and what it printed.

    The code is None if the command cannot be run or takes longer than ten seconds.
    """
    with trio.move_on_after(_CALL):
        try:
            done = await trio.run_process(
                list(command), capture_stdout=True, capture_stderr=True, check=False, env=env
            )
        except OSError as exc:
            return None, str(exc)
        text = (done.stdout or done.stderr).decode(errors="replace").strip()
        return done.returncode, text
    return None, f"{command[0]} takes longer than {_CALL:g} s"
