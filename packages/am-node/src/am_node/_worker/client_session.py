"""The one client that a worker serves: its credentials, its session, its connection.

Credentials belong to a lease. A session that has used them may reconnect; another session that
presents the same ones is sent away, since a token is for a single use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

import am_rpc

if TYPE_CHECKING:
    from collections.abc import Callable

    import am_machine as am

# An error of the link, if there was one, is reported just after the connection's end.
_ERROR_FOLLOWS = 0.05


class ClientSession:
    """The client `name` of one lease, which proves itself with `token`.

    A link that ended after silence has been useless for as long: it gets only `grace` more seconds
    to come back, then the client counts as gone.
    """

    def __init__(self, name: str, token: bytes, grace: float) -> None:
        self.grace = grace
        self._name = name
        self._token = token
        self._serving: am_rpc.Serving | None = None
        self._session: object = None
        self._server: am_rpc.Server | None = None
        self._gone = False

    def server(
        self, mach: am.Machine, mux: am_rpc.Mux, stream: trio.abc.Stream, access: am_rpc.Access
    ) -> am_rpc.Server:
        """A server for one connection; all of one lease share the sessions."""
        if self._serving is None:
            self._serving = mux.serving.replace(
                secret=self._token, allow_id=self._name, access=access
            )
        server = am_rpc.Server(mach, stream=stream, serving=self._serving)
        server.mach.bind(_Door(self, mach, server))
        return server

    def enter(self, server: am_rpc.Server) -> bool:
        """Whether the client of `server` is the session that this lease is for."""
        assert server.client is not None
        nonce = server.client.session.nonce
        if self._gone or self._session not in (None, nonce):
            return False
        self._session = nonce
        self._server = server
        return True

    @property
    def gone(self) -> bool:
        """Whether the lease is over."""
        return self._gone

    def exit(self, server: am_rpc.Server) -> bool:
        """Forget `server`; False if it is not the present connection."""
        if self._server is not server:
            return False
        self._server = None
        return True

    def leave(self, mach: am.Machine) -> None:
        """End the lease: whoever is connected is told to stop."""
        self._gone = True
        server, self._server = self._server, None
        if server is not None:
            mach.fork(server.disconnect, "stop")

    def post(self, name: str, data: Any, done: Callable[[Exception | None], None]) -> bool:
        """Send a payload and call `done` with None once it was taken, or with what went wrong.

        False if nobody is connected; `done` is not called then.

        :raises am_rpc.RpcError: if it cannot travel.
        """
        server = self._server
        if server is None or server.client is None:
            return False
        server.post_payload(name, data, done=done)
        return True

    def cork(self) -> Callable[[], None] | None:
        """Do not tell the client yet that its request was taken; returns what does."""
        return None if self._server is None else self._server.cork()


class _Door:
    """Handlers on the machine of one connection's server."""

    def __init__(
        self, client_session: ClientSession, mach: am.Machine, server: am_rpc.Server
    ) -> None:
        self._client_session = client_session
        self._mach = mach
        self._server = server

    def HandshakeDoneState(self, e: am.Event) -> None:
        """Let the client in, or send a stranger with a stolen token away."""
        if self._client_session.enter(self._server):
            self._mach.add("ClientConnected")
        else:
            self._mach.fork(self._server.disconnect, "stop")

    def HandshakeDoneEnd(self, e: am.Event) -> None:
        """Tell a goodbye from a lost link, and that from a client that fell silent."""
        if self._client_session.exit(self._server):
            self._mach.remove("ClientConnected")
            self._mach.fork(self._goodbye)

    async def _goodbye(self) -> None:
        if not self._server.said_bye:
            if not await self._was_silent():
                return
            with trio.move_on_after(self._client_session.grace):
                await self._mach.when("ClientConnected")
        if not self._client_session.gone and not self._mach.is_("ClientConnected"):
            self._mach.add("ClientLeft")

    async def _was_silent(self) -> bool:
        link = self._server.mach
        with trio.move_on_after(_ERROR_FOLLOWS):
            await link.when_err()
        return isinstance(link.err, am_rpc.NetworkTimeout)
