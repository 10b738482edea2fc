"""Pipes from the machines of servers and muxes to a machine of the user's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import am_helpers as ah

if TYPE_CHECKING:
    from collections.abc import Callable

    import am_machine as am


class HasMachine(Protocol):
    """A mux, or a server: its states are piped."""

    @property
    def mach(self) -> am.Machine:
        """Its own machine."""
        ...


def bind_server(
    server: HasMachine, target: am.MachineApi, rpc_ready: str, client_ready: str
) -> tuple[ah.Pipe, ...]:
    """Keep two states of `target` as active as the server's `RpcReady` and `Ready`.

    Raises:
        am.UnknownStateError: the target has no such state.
    """
    return (
        ah.bind(server.mach, target, "RpcReady", rpc_ready),
        ah.bind(server.mach, target, "Ready", client_ready),
    )


def bind_server_multi(
    server: HasMachine, target: am.MachineApi, rpc_ready: str, connected: str, disconnected: str
) -> tuple[ah.Pipe, ...]:
    """Keep `rpc_ready`, and add two multi states whenever a client comes or goes.

    The target may gather many servers this way: `connected` and `disconnected` are only added.

    Raises:
        am.UnknownStateError: the target has no such state.
    """
    client = ah.Pipe(
        server.mach,
        target,
        {
            "HandshakeDoneState": [_adds(connected)],
            "HandshakeDoneEnd": [_adds(disconnected)],
        },
        [
            ah.Route("add", "HandshakeDone", connected),
            ah.Route("add", "HandshakeDone", disconnected),
        ],
    )
    return ah.bind(server.mach, target, "RpcReady", rpc_ready), client


def _adds(state: str) -> Callable[[ah.Pipe, am.Event], None]:
    def forward(pipe: ah.Pipe, event: am.Event) -> None:
        if pipe.passes(event):
            pipe.target.add(state)

    return forward


def bind_mux(mux: HasMachine, target: am.MachineApi, active: str, inactive: str) -> ah.Pipe:
    """Add `active` to the target when the mux has clients, remove `inactive` when it has none.

    Raises:
        am.UnknownStateError: the target has no such state.
    """
    return ah.bind(mux.mach, target, "HasClients", active, inactive)
