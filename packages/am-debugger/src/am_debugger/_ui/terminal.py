"""The terminal that is drawn on, which may be gone at any moment."""

from __future__ import annotations

import contextlib
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
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


def survives_its_terminal(driver: type[Driver]) -> type[Driver]:
    """A driver of textual, whose output outlives the terminal."""

    class Surviving(driver):  # type: ignore[misc, valid-type]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            if (file := getattr(self, "_file", None)) is not None:
                self._file = Output(file)

        def run_input_thread(self) -> None:
            super().run_input_thread()
            # In a browser it ends by itself where whoever hands the keys on is gone.
            if self.is_web and not self.exit_event.is_set():
                with contextlib.suppress(RuntimeError):  # the loop ended meanwhile
                    self._loop.call_soon_threadsafe(self._app.exit, None, _LOST)

    return Surviving
