"""The debugger stream: exporter, dump files, and the messages that travel.

Needs msgpack: `python -m pip install "am-telemetry[dbg]"`.
"""

from typing import TYPE_CHECKING

from ._dbg.addresses import Address as Address
from ._dbg.addresses import default_addresses as default_addresses
from ._dbg.addresses import parse_address as parse_address
from ._dbg.auth import client_mac as client_mac
from ._dbg.auth import is_same_mac as is_same_mac
from ._dbg.auth import new_nonce as new_nonce
from ._dbg.auth import server_mac as server_mac
from ._dbg.codec import Decoder as Decoder
from ._dbg.dump import DumpFile as DumpFile
from ._dbg.dump import read_dump as read_dump
from ._dbg.encode import encode as encode
from ._dbg.encode import schema_def as schema_def
from ._dbg.encode import schema_hash as schema_hash
from ._dbg.messages import Ack as Ack
from ._dbg.messages import Ask as Ask
from ._dbg.messages import Auth as Auth
from ._dbg.messages import Challenge as Challenge
from ._dbg.messages import Chunk as Chunk
from ._dbg.messages import Detail as Detail
from ._dbg.messages import Drop as Drop
from ._dbg.messages import DumpBegin as DumpBegin
from ._dbg.messages import DumpEnd as DumpEnd
from ._dbg.messages import Fault as Fault
from ._dbg.messages import Gone as Gone
from ._dbg.messages import Hello as Hello
from ._dbg.messages import Left as Left
from ._dbg.messages import Log as Log
from ._dbg.messages import Mach as Mach
from ._dbg.messages import Message as Message
from ._dbg.messages import PendingDef as PendingDef
from ._dbg.messages import PendingMsg as PendingMsg
from ._dbg.messages import Ping as Ping
from ._dbg.messages import PipeDef as PipeDef
from ._dbg.messages import Process as Process
from ._dbg.messages import Proof as Proof
from ._dbg.messages import Refusal as Refusal
from ._dbg.messages import SchemaDef as SchemaDef
from ._dbg.messages import StateDef as StateDef
from ._dbg.messages import Tx as Tx
from ._dbg.messages import Txs as Txs
from ._dbg.messages import Unknown as Unknown
from ._dbg.messages import View as View
from ._dbg.messages import Welcome as Welcome
from ._dbg.mirror import Mirror as Mirror
from ._dbg.mirror import ReceivedMachine as ReceivedMachine
from ._dbg.mirror import ReceivedTx as ReceivedTx
from ._errors import AddressError as AddressError
from ._errors import DecodeError as DecodeError

if TYPE_CHECKING:  # loaded when first asked for: they bring the hub along
    from ._dbg.dump_writer import DbgWriter as DbgWriter
    from ._dbg.exporter import DbgExporter as DbgExporter
    from ._hub.stats import StreamStats as StreamStats
else:
    from . import _lazy

    __getattr__ = _lazy.loads(  # Python asks it for names
        __name__,
        {
            "DbgExporter": "_dbg.exporter",
            "DbgWriter": "_dbg.dump_writer",
            "StreamStats": "_hub.stats",
        },
    )

__all__ = [
    "Ack", "Address", "AddressError", "Ask", "Auth", "Challenge", "Chunk", "DbgExporter",
    "DbgWriter", "DecodeError", "Decoder", "Detail", "Drop", "DumpBegin", "DumpEnd", "DumpFile",
    "Fault", "Gone", "Hello", "Left", "Log", "Mach", "Message", "Mirror", "PendingDef",
    "PendingMsg", "Ping", "PipeDef", "Process", "Proof", "ReceivedMachine", "ReceivedTx", "Refusal",
    "SchemaDef", "StateDef", "StreamStats", "Tx", "Txs", "Unknown", "View", "Welcome",
    "client_mac", "default_addresses", "encode", "is_same_mac", "new_nonce", "parse_address",
    "read_dump", "schema_def", "schema_hash", "server_mac",
]  # fmt: skip


def _publish() -> None:
    """Users and pickles see the public module, whichever room a name is in."""
    for name in __all__:
        value = globals().get(name)
        if hasattr(value, "__name__") and value.__module__.startswith("am_telemetry._"):
            value.__module__ = __name__


_publish()
del _publish
