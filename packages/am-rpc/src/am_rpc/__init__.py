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

from .__about__ import __version__ as __version__
from ._caller import Caller as Caller
from ._caller import caller as caller
from ._client.blocking import BlockingMachine as BlockingMachine
from ._client.blocking import BlockingWait as BlockingWait
from ._client.blocking import blocking as blocking
from ._client.client import Client as Client
from ._client.client import connect as connect
from ._client.listing import list_machines as list_machines
from ._client.network_machine import NetworkMachine as NetworkMachine
from ._errors import DeliveryError as DeliveryError
from ._errors import EncodeError as EncodeError
from ._errors import ErrorCode as ErrorCode
from ._errors import InvalidParams as InvalidParams
from ._errors import InvalidResponse as InvalidResponse
from ._errors import LimitExceeded as LimitExceeded
from ._errors import NetworkError as NetworkError
from ._errors import NetworkTimeout as NetworkTimeout
from ._errors import NoAccess as NoAccess
from ._errors import NoMachine as NoMachine
from ._errors import NotConnected as NotConnected
from ._errors import OutcomeUnknown as OutcomeUnknown
from ._errors import ProtocolError as ProtocolError
from ._errors import ReadOnlyMachine as ReadOnlyMachine
from ._errors import RemoteError as RemoteError
from ._errors import RpcError as RpcError
from ._errors import SlowPeer as SlowPeer
from ._errors import VersionMismatch as VersionMismatch
from ._errors import WrongDestination as WrongDestination
from ._options import Access as Access
from ._options import Limits as Limits
from ._options import Retry as Retry
from ._options import Sync as Sync
from ._pipes import bind_mux as bind_mux
from ._pipes import bind_server as bind_server
from ._pipes import bind_server_multi as bind_server_multi
from ._repl._serve import ReplServer as ReplServer
from ._repl._serve import repl as repl
from ._repl._serve import repl_env as repl_env
from ._results import NetResult as NetResult
from ._server.mux import Mux as Mux
from ._server.server import Server as Server
from ._states import ClientStates as ClientStates
from ._states import Consumer as Consumer
from ._states import MuxStates as MuxStates
from ._states import ServerStates as ServerStates
from ._states import StateSource as StateSource
from ._stats import Stats as Stats
from ._transport.address import start_tls as start_tls
from ._transport.meter import TrafficMeter as TrafficMeter
from ._transport.user_sockets import user_socket as user_socket
from ._transport.user_sockets import user_sockets as user_sockets
from ._wire.catalog_messages import MachineInfo as MachineInfo
from ._wire.keys import ClientSecrets as ClientSecrets
from ._wire.keys import Key as Key
from ._wire.keys import Secrets as Secrets
from ._wire.protocol import Protocol as Protocol

__all__ = [
    "Access", "BlockingMachine", "BlockingWait", "Caller", "Client", "ClientSecrets",
    "ClientStates", "Consumer", "DeliveryError", "EncodeError", "ErrorCode", "InvalidParams",
    "InvalidResponse", "Key", "LimitExceeded", "Limits", "MachineInfo", "Mux", "MuxStates",
    "NetResult", "NetworkError", "NetworkMachine", "NetworkTimeout", "NoAccess", "NoMachine",
    "NotConnected", "OutcomeUnknown", "Protocol", "ProtocolError", "ReadOnlyMachine",
    "RemoteError", "ReplServer", "Retry", "RpcError", "Secrets", "Server", "ServerStates",
    "SlowPeer", "StateSource", "Stats", "Sync", "TrafficMeter", "VersionMismatch",
    "WrongDestination", "__version__", "bind_mux", "bind_server", "bind_server_multi", "blocking",
    "caller", "connect", "list_machines", "repl", "repl_env", "start_tls", "user_socket",
    "user_sockets",
]  # fmt: skip


def _show_public_module() -> None:
    """Let users and pickles see the public module, whichever room a name is in."""
    for name in __all__:
        value = globals()[name]
        if hasattr(value, "__name__") and value.__module__.startswith(__name__ + "."):
            value.__module__ = __name__


_show_public_module()
