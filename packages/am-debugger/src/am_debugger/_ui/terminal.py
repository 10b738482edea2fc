"""The terminal that is drawn on, which may be gone at any moment."""

from __future__ import annotations

import asyncio
import contextlib
import select
import sys
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

    from textual.driver import Driver

_LOST = 129
"""The exit code where the terminal is lost, that of SIGHUP."""


class Output:
    """What is written to a terminal; once that is gone, nothing.

    Textual writes in a thread, which an error would end; whoever then waits for room in its queue,
    as the end of the app does, would wait for ever.
    """

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, text: str) -> None:
        """Write, if anybody is there."""
        with contextlib.suppress(OSError, ValueError):
            self._file.write(text)

    def flush(self) -> None:
        """Flush, if anybody is there."""
        with contextlib.suppress(OSError, ValueError):
            self._file.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class Hangup:
    """Calls `on_lost` once the other end of a terminal is gone, where the system tells.

    A signal tells it only to whom that terminal is the controlling one. For others each read ends
    at once with nothing, and whoever goes on reading takes a whole processor.
    """

    def __init__(self, fileno: int, on_lost: Callable[[], object]) -> None:
        self._on_lost = on_lost
        self._poll: select.epoll | None = None
        if sys.platform != "linux":
            return
        poll = select.epoll()
        try:
            poll.register(fileno, 0)  # it tells of a hangup, and of nothing else
        except OSError:  # a file, say, which cannot be lost
            poll.close()
            return
        self._poll = poll
        asyncio.get_running_loop().add_reader(poll.fileno(), self._lost)

    def _lost(self) -> None:
        self.close()
        self._on_lost()

    def close(self) -> None:
        """Watch no longer."""
        if self._poll is not None:
            asyncio.get_running_loop().remove_reader(self._poll.fileno())
            self._poll.close()
            self._poll = None


def survives_its_terminal(driver: type[Driver]) -> type[Driver]:
    """A driver of textual, whose output outlives the terminal."""

    class Surviving(driver):  # type: ignore[misc, valid-type]
        # Set once input is read no longer; all drivers that read any have it, `Driver` does not.
        exit_event: Event

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            if (file := getattr(self, "_file", None)) is not None:
                self._file = Output(file)
            self._hangup: Hangup | None = None

        def start_application_mode(self) -> None:
            super().start_application_mode()
            if (fileno := getattr(self, "fileno", None)) is not None:
                self._hangup = Hangup(fileno, self._lost)

        def _lost(self) -> None:
            # Whoever reads it stops at once.
            self.exit_event.set()
            self._app.exit(return_code=_LOST)

        def stop_application_mode(self) -> None:
            if self._hangup is not None:
                self._hangup.close()
            super().stop_application_mode()

        def run_input_thread(self) -> None:
            # Called by those drivers alone that have it.
            super().run_input_thread()  # pyright: ignore[reportAttributeAccessIssue]
            # In a browser it ends by itself where whoever hands the keys on is gone.
            if self.is_web and not self.exit_event.is_set():
                with contextlib.suppress(RuntimeError):  # the loop ended meanwhile
                    self._loop.call_soon_threadsafe(self._app.exit, None, _LOST)

    return Surviving
