"""State schemas: two to mix into one's own machines, and those of server, client and mux."""

from __future__ import annotations

import am_helpers as ah
import am_machine as am

from ._errors import DeliveryError, NetworkError, NetworkTimeout, RpcError, SlowPeer

HANDSHAKE = ("Handshaking", "HandshakeDone")
RPC = ("RpcStarting", "RpcAccepting", "RpcReady")


class StateSource(am.States):
    """Mixin for machines with handlers that are served to others."""

    Exception = am.State(multi=True, doc="An error was recorded in `machine.err`.")
    ErrOnClient = am.State(require=[Exception], doc="An error was raised on a network machine.")
    ErrProviding = am.State(require=[Exception], doc="The source could not produce data.")
    ErrSendPayload = am.State(require=[Exception], doc="A payload was not delivered.")
    SendPayload = am.State(
        multi=True, doc="Deliver `name` and `data` to client id `destination`, or to all."
    )


class Consumer(am.States):
    """A machine that receives payloads."""

    Exception = am.State(multi=True, doc="An error was recorded in `machine.err`.")
    ServerPayload = am.State(
        multi=True, doc="A payload: `name`, `data`, `source`, `source_tx`, `token`."
    )


class SharedStates(ah.Basic, StateSource):
    """What server and client have in common."""

    ErrNetwork = am.State(require=["Exception"], doc="The connection failed.")
    ErrNetworkTimeout = am.State(require=["Exception"], doc="A deadline passed.")
    ErrRpc = am.State(require=["Exception"], doc="The protocol was violated.")
    ErrDelivery = am.State(require=["Exception"], doc="A payload was not delivered.")
    Handshaking = am.State(require=["Start"], remove=HANDSHAKE, doc="Negotiating.")
    HandshakeDone = am.State(require=["Start"], remove=HANDSHAKE, doc="The peer is usable.")

    class Groups:
        """Named groups of states."""

        Handshake = HANDSHAKE


class ServerStates(SharedStates):
    """One source served to one client."""

    ErrNetwork = SharedStates.ErrNetwork.extend(remove=["ClientConnected"])
    ErrSlowClient = am.State(
        require=["Exception"], remove=["ClientConnected"], doc="The client does not read."
    )
    Start = SharedStates.Start.extend(add=["RpcStarting"])
    RpcStarting = am.State(require=["Start"], remove=RPC, doc="Opening the listener.")
    RpcAccepting = am.State(require=["Start"], remove=RPC, doc="Listening.")
    RpcReady = am.State(require=["Start"], remove=RPC, doc="Accepts or has a client.")
    ClientConnected = am.State(require=["RpcReady"], doc="A transport connection exists.")
    HandshakeDone = SharedStates.HandshakeDone.extend(require=["ClientConnected"])
    Ready = am.State(auto=True, require=["HandshakeDone", "RpcReady"], doc="A client is served.")
    MetricSync = am.State(multi=True, doc="A full sync was asked for.")

    class Groups(SharedStates.Groups):
        """Named groups of states."""

        Rpc = RPC


class ClientStates(SharedStates, ah.Connected):  # type: ignore[misc] # groups are merged
    """A connection to a server, kept alive."""

    ErrNetwork = SharedStates.ErrNetwork.extend(remove=["Connecting"])
    Start = SharedStates.Start.extend(add=["Connecting"], remove=["ConnRetryFailed"])
    Connected = ah.Connected.Connected.extend(remove=["RetryingConn"], add=["Handshaking"])
    Handshaking = SharedStates.Handshaking.extend(require=["Connected"])
    HandshakeDone = SharedStates.HandshakeDone.extend(require=["Connected"])
    Ready = am.State(auto=True, require=["HandshakeDone"], doc="The network machine is live.")
    RetryingConn = am.State(require=["Start"], doc="Pausing between attempts to connect.")
    ConnRetryFailed = am.State(remove=["Start"], doc="Gave up connecting.")
    RetryingCall = am.State(require=["Start"], doc="A call is being repeated.")
    CallRetryFailed = am.State(
        remove=[RetryingCall], add=["ErrNetwork", "Exception"], doc="A call was given up."
    )
    Buffering = am.State(require=["Start"], doc="Mutations wait for a connection.")
    SourceReplaced = am.State(multi=True, doc="Another source answers at this address.")
    SourceStale = am.State(require=["Connected"], doc="The server has lost its own source.")
    ServerDelivering = am.State(multi=True, require=["Connected"], doc="A payload was announced.")
    ServerPayload = am.State(multi=True, require=["Connected"], doc="A payload arrived.")
    MetricSync = am.State(multi=True, doc="A full sync was asked for.")


class MuxStates(ah.Basic):
    """One listener, many clients."""

    Exception = am.State(multi=True, remove=["Ready"], doc="An error was recorded.")
    Ready = am.State(require=["Start"], doc="The listener is healthy.")
    ClientConnected = am.State(multi=True, require=["Start"], doc="A client has come.")
    HasClients = am.State(require=["Start"], doc="At least one client is connected.")
    NewServerErr = am.State(multi=True, doc="The factory of servers failed.")
    Full = am.State(require=["Start"], doc="The limit of clients is reached.")


def error_state(error: RpcError, states: type[am.States]) -> str:
    """Return the state that stands for an error on a machine with these states."""
    if isinstance(error, SlowPeer):
        # Only servers judge their clients.
        return "ErrSlowClient" if "ErrSlowClient" in states.names() else "ErrNetworkTimeout"
    if isinstance(error, NetworkTimeout):
        return "ErrNetworkTimeout"
    if isinstance(error, NetworkError):
        return "ErrNetwork"
    if isinstance(error, DeliveryError):
        return "ErrDelivery"
    return "ErrRpc"
