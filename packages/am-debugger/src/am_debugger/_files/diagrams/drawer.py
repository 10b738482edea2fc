"""Asks the process that draws, and starts it when it is first needed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import trio

from ..._errors import DebuggerError
from .request import HEADER, MOST_BYTES, Answer, Request, pack_request, unpack_answer

if TYPE_CHECKING:
    from types import TracebackType

TIME_LIMIT = 30.0
"""Seconds for one request."""
_COMMAND = (sys.executable, "-P", "-m", "am_debugger._files.diagrams.worker")
_REAPING = 5.0


class DrawingError(DebuggerError):
    """A diagram cannot be drawn; the text says why."""


class Drawer:
    """The process that draws. Leaving `async with` ends it, and whatever it started."""

    def __init__(self, time_limit: float = TIME_LIMIT) -> None:
        self._time_limit = time_limit
        self._process: trio.Process | None = None
        self._turn = trio.Lock()
        self._is_open = False

    async def __aenter__(self) -> Drawer:
        self._is_open = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_open = False
        await self._end()

    async def draw(self, request: Request) -> Answer:
        """Have pictures drawn, one request after another. Cancelled, or when it takes more than
        30 seconds, the process is ended; the next request starts another one.

        :raises DrawingError: if the process ends or takes too long, or outside `async with`.
        """
        async with self._turn:
            if not self._is_open:
                raise DrawingError("nothing is drawn any more")
            is_done = False
            try:
                with trio.fail_after(self._time_limit):
                    answer = await self._ask(pack_request(request))
                is_done = True
                return answer
            except trio.TooSlowError as exc:
                raise DrawingError(f"it took over {self._time_limit:g} s") from exc
            except (OSError, trio.BrokenResourceError, trio.ClosedResourceError) as exc:
                raise DrawingError(f"the process that draws ended: {exc}") from exc
            finally:
                if not is_done:
                    await self._end()

    async def _ask(self, data: bytes) -> Answer:
        process = self._process
        if process is None or process.poll() is not None:
            process = self._process = await trio.lowlevel.open_process(
                _COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # the terminal is the screen's
                start_new_session=True,  # Ctrl+C is not for it, and its children end with it
            )
        assert process.stdin is not None
        await process.stdin.send_all(len(data).to_bytes(HEADER, "big") + data)
        size = int.from_bytes(await _received(process, HEADER), "big")
        if size > MOST_BYTES:
            raise DrawingError("its answer makes no sense")
        return unpack_answer(await _received(process, size))

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with trio.move_on_after(_REAPING, shield=True):
            await process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    await stream.aclose()


async def _received(process: trio.Process, size: int) -> bytes:
    assert process.stdout is not None
    found = bytearray()
    while len(found) < size:
        piece = await process.stdout.receive_some(size - len(found))
        if not piece:
            raise DrawingError("the process that draws ended")
        found += piece
    return bytes(found)
