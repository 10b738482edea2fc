"""The vocabulary of the debugger stream: frozen values, and the limits that both sides keep.

Times are microseconds since 1970 by the system's clock, states are indexes into the names of a
schema, machines are handles: numbers that one connection gave them. The wire form is MessagePack:
notifications `[2, method, params]`, and for the first exchange requests `[0, number, method,
params]` with replies `[1, number, error, value]`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

VERSION = 1
"""Of the protocol; another one means that the two cannot talk."""

MAX_MESSAGE = 4 << 20
"""Bytes of one message."""
MAX_DEPTH = 8
"""How deep lists and maps of a message may nest."""
MAX_ARRAY = 8192
MAX_MAP = 4096
MAX_TEXT = 1 << 20
"""Bytes of one string."""
MAX_CONTAINERS = 1 << 16
"""Lists and maps of one message: what is small on the wire is large in memory."""
MAX_HELLO = 64 << 10
"""Bytes of one message before the peer is known."""
MAX_STATES = 4096
MAX_BATCH = 1000
"""Entries of one message."""
MAX_ARG = 256
"""Characters of an argument's text, and of its name."""
MAX_VIA = 8
"""Debuggers that may pass on a stream one after another."""
MAX_ID = 1024
"""Characters of the id of a machine, of a tag, of a handler's name."""
MAX_LINE = 16 << 10
"""Characters of a log line that the exporter sends."""

# Flags of a transition.
ACCEPTED, AUTO, CHECK, QUEUED, KEYFRAME, ERROR = 1, 2, 4, 8, 16, 32
KINDS = ("add", "remove", "set")

Scalar: TypeAlias = bool | int | float | str | None


@dataclass(frozen=True, slots=True)
class Process:
    """Where machines live: `id` is 16 random hex characters, `via` the ids of the debuggers that
    passed its stream on, `lib` name and version of what sent it."""

    id: str
    pid: int
    host: str
    argv0: str
    lib: str
    time: int
    via: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message of a connection: who is there, and what it can do (`stack`, `detail`,
    `viewer`)."""

    version: int
    process: Process
    caps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Auth:
    """The exporter's proof that it knows the secret."""

    nonce: bytes
    mac: bytes


@dataclass(frozen=True, slots=True)
class Welcome:
    """The hello was taken; there is no secret."""

    caps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Challenge:
    """The hello was taken, but a proof of the secret is wanted."""

    nonce: bytes


@dataclass(frozen=True, slots=True)
class Proof:
    """The collector's own proof of the secret; from here on it is as after a `Welcome`."""

    mac: bytes
    caps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """The request of this number was refused; the connection ends."""

    number: int
    error: str


@dataclass(frozen=True, slots=True)
class StateDef:
    """A state of a schema as sent; relations are indexes."""

    auto: bool = False
    multi: bool = False
    require: tuple[int, ...] = ()
    add: tuple[int, ...] = ()
    remove: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    tags: tuple[str, ...] = ()
    doc: str = ""


@dataclass(frozen=True, slots=True)
class SchemaDef:
    """A schema, once per connection, however many machines have it. `states` are in the order of
    `names`; `hash` names it."""

    hash: bytes
    names: tuple[str, ...]
    states: tuple[StateDef, ...]
    groups: tuple[tuple[str, tuple[int, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class PipeDef:
    """A pipe as one of its ends knows it; the k-th `out` of A to B pairs with the k-th `in` of B
    from A."""

    direction: str
    kind: str
    state: str
    machine_id: str


@dataclass(frozen=True, slots=True)
class Mach:
    """A machine, before its first entry and again where something of it changed. `time` is the
    clock before the next entry. `process` is None for the hello's own."""

    h: int
    id: str
    parent: str | None
    tags: tuple[str, ...]
    hash: bytes
    handlers: tuple[str, ...]
    time: tuple[int, ...]
    queue_tick: int
    pipes: tuple[PipeDef, ...] = ()
    lib: str = ""
    process: Process | None = None


class Tx(NamedTuple):
    """A transition, or a queued mutation. None: not recorded; a journal gives the first nine and
    `vetoed`, the rest comes at level 2."""

    id: bytes
    time: int
    kind: int
    flags: int
    called: tuple[int, ...]
    diff: tuple[int, ...]
    """Flat: index, ticks gained, index, ticks gained …"""
    queue_tick: int
    source: tuple[str, bytes | None, int] | None = None
    args: dict[str, Scalar] | None = None
    duration: int | None = None
    queue_len: int | None = None
    number: int | None = None
    log: tuple[tuple[int, str], ...] | None = None
    vetoed: tuple[str, ...] | None = None
    """Handlers that voted against; the last one failed if the flag ERROR is set."""
    stack: tuple[str, ...] | None = None
    handlers: tuple[tuple[str, int], ...] | None = None
    """Handlers that ran, with microseconds."""
    clock: tuple[int, ...] | None = None
    """Of a keyframe: all ticks before it."""

    @property
    def changes(self) -> tuple[tuple[int, int], ...]:
        """The diff in pairs of index and ticks gained."""
        flat = self.diff
        return tuple(zip(flat[::2], flat[1::2], strict=True))


@dataclass(frozen=True, slots=True)
class Txs:
    """Entries in order, each with the handle of its machine."""

    entries: tuple[tuple[int, Tx], ...]


@dataclass(frozen=True, slots=True)
class Log:
    """A log line outside of transitions."""

    h: int
    time: int
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class PendingDef:
    """Something that is not over yet: kind is wait, context, task or mutation; age in
    microseconds."""

    kind: str
    label: str
    states: tuple[str, ...]
    age: int | None


@dataclass(frozen=True, slots=True)
class PendingMsg:
    """The answer to an `Ask`."""

    h: int
    items: tuple[PendingDef, ...]


@dataclass(frozen=True, slots=True)
class Gone:
    """A machine was disposed, or nobody listens to it any more."""

    h: int
    time: int


@dataclass(frozen=True, slots=True)
class Left:
    """To viewers: nobody tells of a machine any more, though it may still be there. When somebody
    does again, it is announced anew."""

    h: int


@dataclass(frozen=True, slots=True)
class Drop:
    """So many entries of a machine were lost; its next one is a keyframe."""

    h: int
    count: int
    time: int


@dataclass(frozen=True, slots=True)
class Ping:
    """Nothing happens, but the exporter is there."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What the other side sent was refused; the connection ends."""

    error: str


@dataclass(frozen=True, slots=True)
class Detail:
    """The collector wants a machine at level 0 (mute), 1 (journal) or 2 (everything); to a viewer:
    that is the level at which it is told of."""

    h: int
    level: int


@dataclass(frozen=True, slots=True)
class Ask:
    """The collector wants to know something of a machine; `what` is `pending`."""

    h: int
    what: str


@dataclass(frozen=True, slots=True)
class Ack:
    """So many entries were taken on this connection until now."""

    count: int


@dataclass(frozen=True, slots=True)
class View:
    """A viewer wants what was kept since a time, of these machines or of all, and then more."""

    since: int | None
    ids: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Chunk:
    """In a dump: from here on each machine begins with a keyframe. `number` counts from 0, `time`
    is that of the first entry."""

    number: int
    time: int


@dataclass(frozen=True, slots=True)
class DumpBegin:
    """In a dump: who wrote it."""

    version: int
    process: Process


@dataclass(frozen=True, slots=True)
class DumpEnd:
    """In a dump, at its end: per chunk (offset in the decompressed bytes, time, entries), and how
    many machines and entries there are in all, and how many were dropped."""

    chunks: tuple[tuple[int, int, int], ...]
    machines: int
    entries: int
    dropped: int


@dataclass(frozen=True, slots=True)
class Unknown:
    """A message of a method that this version does not know: to be passed over."""

    method: str


Message: TypeAlias = (
    Hello | Auth | Welcome | Challenge | Proof | Refusal | SchemaDef | Mach | Txs | Log
    | PendingMsg | Gone | Left | Drop | Ping | Fault | Detail | Ask | Ack | View | Chunk | DumpBegin
    | DumpEnd | Unknown
)  # fmt: skip
