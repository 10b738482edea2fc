"""The ways of a worker that is not on its supervisor's host, or uses TLS."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from .._errors import BootError
from .._reverse_call import Purpose, dial
from .._tls import pinned_context, server_context
from .dialled_link import DialledListener

if TYPE_CHECKING:
    import ssl

    import trio

    from .._boot import BootConfig


class FarLinks:
    """The ways of a worker to its supervisor and clients, as `config` says.

    `server_tls` is for clients, None without TLS.

    :raises BootError: if the certificate cannot be used.
    """

    def __init__(self, config: BootConfig) -> None:
        self._config = config
        self.server_tls: ssl.SSLContext | None = None
        self._pinned_tls: ssl.SSLContext | None = None
        if config.tls:
            try:
                self.server_tls = server_context(config.tls)
                self._pinned_tls = pinned_context(config.tls)
            except (OSError, ValueError) as exc:
                raise BootError(f"the certificate cannot be used: {exc}") from exc

    def listener(self) -> DialledListener:
        """The private link, which the worker dials."""
        return DialledListener(partial(self._call, Purpose.LINK))

    async def call_for_report(self) -> trio.abc.Stream:
        """Call the supervisor to report to its bootstrap.

        :raises OSError: if it cannot be reached.
        :raises trio.BrokenResourceError: if it breaks off.
        """
        return await self._call(Purpose.REPORT)

    async def _call(self, purpose: Purpose) -> trio.abc.Stream:
        config = self._config
        return await dial(
            config.bootstrap, purpose, config.worker_id, config.link_token, self._pinned_tls
        )
