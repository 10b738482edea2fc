"""Transparent RPC for asyncmachine: remote machines that feel local.

A `Mux` puts a machine behind an address, `connect` gives a replica of it, a `NetworkMachine`,
in another process. Checks, waits and contexts on the replica cost no network call; mutations are
plain calls that travel to the source and are executed at most once. The rooms, each above
those that it knows:

* `_repl`: `arpc`, a shell and a command line for what is served
* `_server`: a machine behind an address
* `_client`: the replica of it, and the connection that keeps it true
* `_transport`: addresses, streams, websockets; a connection's reader and writer
* `_wire`: messages, values, authentication; bytes in, events out, no I/O
* `_errors`, `_options`, `_stats`, `_states`, `_results`, `_pipes`: what all others know
"""

from typing import TYPE_CHECKING

from . import _lazy

# isort: off
# fmt: off

from .__about__ import __version__
# Who calls.
from ._caller import Caller, caller
# What may be tuned, and what is counted.
from ._options import Access, Limits, Retry, Sync
from ._results import NetResult
from ._stats import Stats
# Schemas to inherit from, and those of this package's own machines.
from ._states import ClientStates, Consumer, MuxStates, ServerStates, StateSource
# What goes wrong.
from ._errors import DeliveryError, EncodeError, ErrorCode, InvalidParams, InvalidResponse
from ._errors import LimitExceeded, NetworkError, NetworkTimeout, NoAccess, NoMachine, NotConnected
from ._errors import OutcomeUnknown, ProtocolError, ReadOnlyMachine, RemoteError, RpcError
from ._errors import SlowPeer, VersionMismatch, WrongDestination

if TYPE_CHECKING:  # loaded when first asked for: a server needs no replica, a client no server
    # A machine behind an address, and what its keys open.
    from ._server.handshake import Serving
    from ._server.mux import Mux
    from ._server.server import Server
    from ._wire.keys import ClientSecrets, Key, Secrets
    from ._wire.catalog_messages import MachineInfo
    # Below: bytes in, events out; streams.
    from ._transport.address import start_tls
    from ._wire.protocol import Protocol
    # The replica of it.
    from ._client.client import Client, connect
    from ._client.network_machine import NetworkMachine
    # Pipes from servers, sockets of this user, what an address serves, bytes as they pass.
    from ._pipes import bind_mux, bind_server, bind_server_multi
    from ._transport.user_sockets import has_user_sockets, user_socket, user_sockets
    from ._client.listing import list_machines
    from ._transport.meter import TrafficMeter
    # For code without trio.
    from ._client.blocking import BlockingMachine, BlockingWait, blocking
    # What `arpc` connects to.
    from ._repl._serve import ReplServer, repl, repl_env
else:
    __getattr__ = _lazy.load  # Python asks it for names

# fmt: on

__all__ = [
    "Access", "BlockingMachine", "BlockingWait", "Caller", "Client", "ClientSecrets",
    "ClientStates", "Consumer", "DeliveryError", "EncodeError", "ErrorCode", "InvalidParams",
    "InvalidResponse", "Key", "LimitExceeded", "Limits", "MachineInfo", "Mux", "MuxStates",
    "NetResult", "NetworkError", "NetworkMachine", "NetworkTimeout", "NoAccess", "NoMachine",
    "NotConnected", "OutcomeUnknown", "Protocol", "ProtocolError", "ReadOnlyMachine",
    "RemoteError", "ReplServer", "Retry", "RpcError", "Secrets", "Server", "ServerStates",
    "Serving", "SlowPeer", "StateSource", "Stats", "Sync", "TrafficMeter", "VersionMismatch",
    "WrongDestination", "__version__", "bind_mux", "bind_server", "bind_server_multi", "blocking",
    "caller", "connect", "has_user_sockets", "list_machines", "repl", "repl_env", "start_tls",
    "user_socket", "user_sockets",
]  # fmt: skip

_lazy.show_public_module(globals(), __all__)
