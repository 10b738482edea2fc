"""The exporter: what machines do, sent to a debugger."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Self

import trio

from .._errors import TelemetryError
from .._hub import Closing, Hub
from .addresses import resolve
from .consumer import Settings, StreamConsumer

if TYPE_CHECKING:
    import ssl
    from types import TracebackType

    import am_machine as am

    from .._hub import Handle, StreamStats

DEFAULT_BUFFER = 20_000
LEAST_LOSSLESS = 4000
"""Entries kept at least where nothing is to be lost: machines wait after each thousand."""
CLOSING = 1.0
"""Seconds that closing may take."""


class DbgExporter(Closing):
    """Sends what machines do to a debugger, over one connection for all of them.

    `addr` is `host:port`, `unix:PATH`, or `1` for the user's own debugger, wherever it listens. An
    absent or slow debugger costs memory alone: `buffer` entries are kept, then the oldest are
    dropped and counted. It connects, and connects again, by itself, as long as a machine is bound.

    `secret` is proved to each other before anything of machines is sent, and never shown. `tls` is
    a context for connections to hosts. `detail` is 1 for what a journal has, 2 for durations,
    queued mutations, log lines and, with `stacks`, where mutations were made; 0 for nothing until
    the debugger asks. It may ask for another level. With `lossless` machines wait for the debugger
    instead of losing anything, half a minute at most each time, which is for tests. Used as `with`
    or `async with` it is closed at the end.

    :raises AddressError: if `addr` is none.
    :raises ValueError: if the secret is empty, or a number out of bounds.
    """

    def __init__(
        self,
        addr: str = "1",
        *,
        secret: bytes | str | None = None,
        tls: ssl.SSLContext | None = None,
        detail: int = 1,
        buffer: int = DEFAULT_BUFFER,
        stacks: bool = True,
        lossless: bool = False,
    ) -> None:
        resolve(addr)
        secret = secret.encode() if isinstance(secret, str) else secret
        if secret is not None and not secret:
            raise ValueError("the secret is empty")
        if detail not in (0, 1, 2) or buffer < 1:
            raise ValueError(f"detail {detail} is not 0, 1 or 2, or buffer {buffer} less than 1")
        self.addr = addr
        self._is_closed = False
        buffer = max(buffer, LEAST_LOSSLESS) if lossless else buffer
        settings = Settings(partial(resolve, addr), secret, tls, detail, buffer, stacks)
        self._hub = Hub.of_process()
        self._consumer = StreamConsumer(self._hub, settings)
        self._hub.streams.add(self._consumer)
        if lossless:
            self._hub.hold_back(self._consumer, self._consumer.wait_room)

    def bind(self, machine: am.MachineApi | am.BaseMachine) -> Handle:
        """Send what a machine does from now on, with its living and future submachines; bound
        already: the handle that there is.

        :raises RuntimeError: in a thread other than the machine's.
        :raises TypeError: if it takes no tracers.
        :raises TelemetryError: if the exporter is closed.
        """
        if self._is_closed:
            raise TelemetryError(f"{self!r} is closed")
        return self._hub.attach(self._consumer, machine)

    @property
    def stats(self) -> StreamStats:
        """How many entries there were, and what became of them. In any thread."""
        return self._consumer.stats

    def flush(self, seconds: float = CLOSING) -> bool:
        """Send all that machines did until now, and wait until the debugger has taken it, for so
        many seconds at most. Whether it has. Blocks, so not in a trio task that others wait for."""
        return self._hub.sync(seconds) and self._consumer.wait_empty(seconds)

    def close(self) -> None:
        """Detach from all machines, send what is left within a second, count the rest as dropped,
        and let go of the connection. Again: nothing. In any thread; blocks."""
        if not self._is_closed:
            self._is_closed = True
            self._hub.close(self._consumer, CLOSING)
            self._hub.streams.remove(self._consumer)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # It has a deadline of its own.
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(self.close)

    def __repr__(self) -> str:
        return f"<DbgExporter to {self.addr}>"
