"""Payloads of a mux: from whichever of its sources, to whichever of its clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import trio

from .._errors import RpcError
from .payload_sender import away, bind_payloads, report_undelivered

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    import am_machine as am

    from .context import Recipient
    from .handshake import Serving
    from .payload_sender import Delivery

    ScopeOf = Callable[[am.MachineApi], bytes | None]


class MuxPayloads:
    """Hears what the sources send, and hands it to the servers of those it is for.

    Args:
        origin: id of the mux, which what it sends itself comes from.
        serving: bounds, figures, and the sessions of clients that are away.
        servers: all servers, as they are at the time of each call.
        scope_of: what binds the sessions of a source to it where there are several; None where
            all clients follow one.
    """

    def __init__(
        self,
        origin: str,
        serving: Serving,
        servers: Callable[[], Collection[Recipient]],
        scope_of: ScopeOf | None,
    ) -> None:
        self._origin = origin
        self._serving = serving
        self._servers = servers
        self._scope_of = scope_of
        # Of each source that is followed, or was.
        self._bindings: dict[am.MachineApi, Any] = {}

    def hear(self, source: am.MachineApi) -> None:
        """Deliver what a source sends from now on; twice is once."""
        if source not in self._bindings:
            state = self._serving.payload_state
            self._bindings[source] = bind_payloads(source, state, self._on_send_payload)

    def leave(self, source: am.MachineApi) -> None:
        """Deliver nothing more of a source; an unknown one is ignored."""
        binding = self._bindings.pop(source, None)
        if binding is not None:
            binding.detach()

    def leave_all(self) -> None:
        """Deliver nothing more of any source."""
        for source in tuple(self._bindings):
            self.leave(source)

    async def send(
        self, name: str, data: Any, destination: str | None, source_tx: str | None
    ) -> None:
        """Deliver to one client, or to all, and wait until each took it.

        Raises:
            WrongDestination: no client has this id.
            DeliveryError, EncodeError, LimitExceeded: as `Server.send_payload`; the first of them.
        """
        posted = [
            (server, server.post_payload(name, data, destination, source_tx=source_tx))
            for server in self._addressed(None, name, data, destination, source_tx)
        ]
        errors: list[RpcError] = []

        async def settle(server: Recipient, one: Delivery) -> None:
            try:
                await server.settle_payload(one)
            except RpcError as error:
                errors.append(error)

        async with trio.open_nursery() as nursery:
            for server, one in posted:
                nursery.start_soon(settle, server, one)
        if errors:
            raise errors[0]

    def _on_send_payload(self, event: am.Event) -> None:
        args = event.args
        if "name" not in args:
            return
        source = cast("am.MachineApi", event.machine)
        name, data, source_tx = args["name"], args.get("data"), event.transition.id
        try:
            to = args.get("destination")
            for server in self._addressed(source, name, data, to, source_tx):
                server.post_payload(name, data, to, source_tx=source_tx, done=server.tell_source)
        except RpcError as error:
            report_undelivered(source, error)

    def _addressed(
        self,
        source: am.MachineApi | None,
        name: str,
        data: Any,
        destination: str | None,
        source_tx: str | None,
    ) -> list[Recipient]:
        """Return the servers of `destination`, or of all; a payload for who is away is kept.

        Of several machines `source` is the one that sends; None means that the mux does.
        """
        sender = source if self._scope_of is not None else None
        found = [
            server
            for server in self._servers()
            if server.client is not None
            and server.client.is_way_to(destination)
            and (sender is None or server.source is sender)
        ]
        # Who is here needs no relay.
        direct = [s for s in found if s.client and s.client.session.client_id == destination]
        found = direct or found
        if not found and destination is not None:
            scope = None
            if sender is not None and self._scope_of is not None:
                scope = self._scope_of(sender) or b""
            origin = self._origin if source is None else source.id
            raise away(self._serving, origin, name, data, destination, source_tx, scope)
        return found
