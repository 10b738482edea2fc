"""One child process on this host: started on the loop's own thread, awaited without a helper
thread.

The kernel sends a child its parent-death signal when the *thread* that forked it ends. A fork in a
pool thread would therefore kill healthy workers whenever that thread goes idle, hence
`subprocess.Popen` right here, on Linux. The exit is awaited on a pidfd.
"""

from __future__ import annotations

import contextlib
import os
import signal as signals
import subprocess
import sys
from typing import TYPE_CHECKING, Protocol

import trio

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trio.abc import ReceiveStream, SendStream


class _Child(Protocol):
    @property
    def pid(self) -> int: ...

    async def exited(self) -> None:
        """Return once the process is dead, before it is reaped where that is possible."""

    def reap(self) -> int | None:
        """Its return code, as in `subprocess`; None if the system kept none."""


class LocalProcess:
    """A running child with its three streams. It is a `WorkerHandle`."""

    def __init__(
        self, child: _Child, stdin: SendStream, stdout: ReceiveStream, stderr: ReceiveStream
    ) -> None:
        self._child = child
        self._stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
        self._returncode: int | None = None
        self._is_reaped = False

    @property
    def pid(self) -> int:
        """The process id; also the id of its process group."""
        return self._child.pid

    @property
    def returncode(self) -> int | None:
        """As in `subprocess`: negative for a signal, None while it runs, or if nobody knows."""
        return self._returncode

    async def feed(self, data: bytes) -> None:
        """Write to its stdin, which stays open. A child that is gone already is no error here."""
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await self._stdin.send_all(data)

    def close_lifeline(self) -> None:
        """Close its stdin, which tells it to end."""
        _close_now(self._stdin)

    def terminate(self) -> None:
        """Close the lifeline and send ``SIGTERM`` to the process itself, which asks it to drain."""
        self.close_lifeline()
        if not self._is_reaped:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, signals.SIGTERM)

    def kill(self) -> None:
        """Send ``SIGKILL`` to its process group."""
        if not self._is_reaped:
            self._kill_group()

    def _kill_group(self) -> None:
        # PermissionError is what macOS says of a group that holds only zombies.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signals.SIGKILL)

    async def wait(self) -> int | None:
        """Wait until it ended, end what is left of its process group, and reap it.

        None is returned if the system kept no code: this process ignores SIGCHLD.
        """
        if not self._is_reaped:
            await self._child.exited()
            # Not reaped yet, so the group's number cannot belong to anybody else.
            self._kill_group()
            self._returncode = self._child.reap()
            self._is_reaped = True
        return self._returncode

    def close(self) -> None:
        """Close all three streams."""
        for stream in (self._stdin, self.stdout, self.stderr):
            _close_now(stream)


def _close_now(stream: SendStream | ReceiveStream) -> None:
    # Both kinds of pipe stream have a plain close besides aclose(), which would be a checkpoint.
    stream.close()  # type: ignore[union-attr]


async def start_process(
    command: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: str | None = None
) -> LocalProcess:
    """Start `command`, without a shell, in a process group of its own, with pipes as its streams.

    :raises OSError: if it cannot be started.
    """
    if sys.platform == "linux":
        await trio.lowlevel.checkpoint()
        return _start_on_this_thread(command, env, cwd)
    return await _start_by_trio(command, env, cwd)


def _start_on_this_thread(
    command: Sequence[str], env: Mapping[str, str] | None, cwd: str | None
) -> LocalProcess:
    popen = subprocess.Popen(
        list(command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        process_group=0,
        env=None if env is None else dict(env),
        cwd=cwd,
    )
    ends: list[trio.lowlevel.FdStream] = []
    try:
        for pipe in (popen.stdin, popen.stdout, popen.stderr):
            assert pipe is not None
            ends.append(trio.lowlevel.FdStream(os.dup(pipe.fileno())))
            pipe.close()
        return LocalProcess(_PidfdChild(popen), *ends)
    except OSError:  # out of descriptors: nobody would ever hear of this child again
        popen.kill()
        for stream in (*ends, popen.stdin, popen.stdout, popen.stderr):
            if stream is not None:
                stream.close()
        popen.wait()
        raise


async def _start_by_trio(
    command: Sequence[str], env: Mapping[str, str] | None, cwd: str | None
) -> LocalProcess:
    process = await trio.lowlevel.open_process(
        list(command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        process_group=0,
        env=env,
        cwd=cwd,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    return LocalProcess(_TrioChild(process), process.stdin, process.stdout, process.stderr)


class _PidfdChild:
    def __init__(self, popen: subprocess.Popen[bytes]) -> None:
        self._popen = popen
        self.pid = popen.pid
        self._pidfd = os.pidfd_open(popen.pid)

    async def exited(self) -> None:
        await trio.lowlevel.wait_readable(self._pidfd)

    def reap(self) -> int | None:
        os.close(self._pidfd)
        try:
            status = os.waitpid(self.pid, 0)[1]
        except ChildProcessError:
            # `Popen.wait` would call that 0, which is what a good end looks like.
            self._popen.returncode = 0
            return None
        self._popen.returncode = code = os.waitstatus_to_exitcode(status)
        return code


class _TrioChild:
    def __init__(self, process: trio.Process) -> None:
        self._process = process
        self.pid = process.pid

    async def exited(self) -> None:
        await self._process.wait()

    def reap(self) -> int | None:
        code = self._process.returncode
        assert code is not None
        return code
