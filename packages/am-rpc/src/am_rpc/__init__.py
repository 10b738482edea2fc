"""Transparent RPC for asyncmachine: remote machines that feel local.

A `Mux` puts a machine behind an address, `connect` gives a replica of it, a `NetworkMachine`,
in another process. Checks, waits and contexts on the replica cost no network call; mutations are
plain calls that travel to the source and are executed at most once. Layout of the package:

* `_protocol`, `_messages`, `_mutating`, `_news`, `_welcome`, `_codec`, `_auth`: the wire, no I/O
* `_feed`, `_checksum`, `_session`, `_outbox`, `_payload`: what each end remembers, as pure data
* `_driver`, `_outgoing`: a connection's two halves;  `_address`, `_websocket`, `_reason`: trio
* `_mux`, `_server`, `_serving`: who serves;  `_reception`, `_served`, `_executing`, `_pushing`,
  `_posting`: one client, from its hello over its mutations to what it is sent
* `_calls`, `_following`, `_client`: the storeys of a client;  `_handshake`, `_link`: a connection
  of it;  `_replica`, `_net`, `_subscriptions`, `_results`: the machine it offers
* `_options`, `_stats`, `_states`: what can be tuned, counted, and be active
* `_repl`: `arpc`, a shell and a command line for what is served
"""

from .__about__ import __version__ as __version__
from ._address import start_tls as start_tls
from ._auth import Secrets as Secrets
from ._blocking import BlockingMachine as BlockingMachine
from ._blocking import BlockingWait as BlockingWait
from ._blocking import blocking as blocking
from ._client import Client as Client
from ._client import connect as connect
from ._errors import DeliveryError as DeliveryError
from ._errors import EncodeError as EncodeError
from ._errors import ErrorCode as ErrorCode
from ._errors import InvalidParams as InvalidParams
from ._errors import InvalidResponse as InvalidResponse
from ._errors import LimitExceeded as LimitExceeded
from ._errors import NetworkError as NetworkError
from ._errors import NetworkTimeout as NetworkTimeout
from ._errors import NoAccess as NoAccess
from ._errors import NotConnected as NotConnected
from ._errors import OutcomeUnknown as OutcomeUnknown
from ._errors import ProtocolError as ProtocolError
from ._errors import RemoteError as RemoteError
from ._errors import RpcError as RpcError
from ._errors import SlowPeer as SlowPeer
from ._errors import VersionMismatch as VersionMismatch
from ._errors import WrongDestination as WrongDestination
from ._meter import TrafficMeter as TrafficMeter
from ._mux import Mux as Mux
from ._net import NetworkMachine as NetworkMachine
from ._options import Access as Access
from ._options import Limits as Limits
from ._options import Retry as Retry
from ._options import Sync as Sync
from ._pipes import bind_mux as bind_mux
from ._pipes import bind_server as bind_server
from ._pipes import bind_server_multi as bind_server_multi
from ._protocol import Protocol as Protocol
from ._repl._serve import ReplServer as ReplServer
from ._repl._serve import repl as repl
from ._repl._serve import repl_env as repl_env
from ._results import NetResult as NetResult
from ._server import Server as Server
from ._states import ClientStates as ClientStates
from ._states import Consumer as Consumer
from ._states import MuxStates as MuxStates
from ._states import ServerStates as ServerStates
from ._states import StateSource as StateSource
from ._stats import Stats as Stats

__all__ = [
    "Access", "BlockingMachine", "BlockingWait", "Client", "ClientStates", "Consumer",
    "DeliveryError", "EncodeError", "ErrorCode", "InvalidParams", "InvalidResponse",
    "LimitExceeded", "Limits", "Mux", "MuxStates", "NetResult", "NetworkError", "NetworkMachine",
    "NetworkTimeout", "NoAccess", "NotConnected", "OutcomeUnknown", "Protocol", "ProtocolError",
    "RemoteError", "ReplServer", "Retry", "RpcError", "Secrets", "Server", "ServerStates",
    "SlowPeer", "StateSource", "Stats", "Sync", "TrafficMeter", "VersionMismatch",
    "WrongDestination", "__version__", "bind_mux", "bind_server", "bind_server_multi", "blocking",
    "connect", "repl", "repl_env", "start_tls",
]  # fmt: skip
