"""The vocabulary of the wire, version 1: one frozen dataclass per message.

Each class knows its own `params`, the array that stands for it, and how to `parse` an array that a
peer sent. Parsing trusts nothing: a missing trailing parameter takes its default, an unknown extra
one is ignored, everything else raises `InvalidParams` with a text fit for the peer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, Self

from ._codec import is_arg_name
from ._errors import InvalidParams
from ._parse import (
    array_of_uint,
    at,
    blob,
    boolean,
    indexes,
    mapping,
    names_or_none,
    optional,
    text,
    uint,
    uint_or_none,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._options import Limits

VERSION: Final = 1
ADD, REMOVE, SET, TOGGLE = "a", "r", "s", "t"
KIND_CODES: Final = {"add": 0, "remove": 1, "set": 2, "auto": 3}
KIND_NAMES: Final = ("add", "remove", "set", "auto")


class Message(Protocol):
    """What every message of this module offers."""

    @property
    def method(self) -> str:
        """Return the method name on the wire."""
        ...

    def params(self) -> list[Any]:
        """Return the parameter array, without trailing defaults."""
        ...


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a mutation came from: machine id, transition id, machine time before, hops."""

    machine_id: str
    transition_id: str
    time: int
    hops: int

    def wire(self) -> list[Any]:
        """Return the array that travels."""
        return [self.machine_id, self.transition_id, self.time, self.hops]

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Read what a peer sent, or raise `InvalidParams`."""
        if type(value) is not list or len(value) < 4:
            raise InvalidParams("src")
        return cls(
            text(value[0], 256, "src"), text(value[1], 256, "src"), uint(value[2]), uint(value[3])
        )


def parse_args(value: Any, limits: Limits) -> dict[str, Any]:
    """Return keyword arguments from a peer; depth was checked with the message."""
    args = mapping(value, "args")
    if len(args) > limits.args_keys:
        raise InvalidParams("too many args")
    for key in args:
        if not is_arg_name(key, limits.arg_key):
            raise InvalidParams("bad arg name")
    return args


def trim(params: list[Any], *defaults: Any) -> list[Any]:
    """Drop trailing params that equal their defaults, given last first."""
    for default in defaults:
        if params[-1] != default or type(params[-1]) is not type(default):
            break
        params.pop()
    return params


@dataclass(frozen=True, slots=True)
class Hello:
    """First message of a client. `session` is its nonce, `sync` what it wants to follow."""

    id: str
    session: bytes
    v: int = VERSION
    hash: bytes | None = None
    sync: Mapping[str, Any] | None = None
    kid: str | None = None
    last: bytes | None = None
    method: ClassVar[str] = "hello"

    def params(self) -> list[Any]:
        """Return `[{v, id, se, …}]`."""
        body: dict[str, Any] = {"v": self.v, "id": self.id, "se": self.session}
        for key in ("hash", "sync", "kid", "last"):
            value = getattr(self, key)
            if value is not None:
                body[key] = value
        return [body]

    @classmethod
    def parse(cls, params: list[Any], limits: Limits) -> Self:
        """Read params; a foreign version keeps only `v`, for its fields are not ours to judge."""
        body = mapping(at(params, 0), "hello")
        version = uint(body.get("v"))
        if version != VERSION:
            return cls("?", b"", version)
        sync = optional(mapping, body.get("sync"), "sync")
        if sync is not None:
            sync = {
                "schema": boolean(sync.get("schema", True), "sync"),
                "allowed": names_or_none(sync.get("allowed"), "sync"),
                "skipped": names_or_none(sync.get("skipped"), "sync") or (),
                "shallow": boolean(sync.get("shallow", False), "sync"),
                "mutations": boolean(sync.get("mutations", False), "sync"),
                "queue": boolean(sync.get("queue", True), "sync"),
            }
        kid = body.get("kid")
        return cls(
            text(body.get("id"), 256, "id", least=1),
            blob(body.get("se"), 8, "se"),
            version,
            None if body.get("hash") is None else blob(body["hash"], 16, "hash"),
            sync,
            None if kid is None else text(kid, 256, "kid"),
            None if body.get("last") is None else blob(body["last"], 8, "last"),
        )


@dataclass(frozen=True, slots=True)
class Auth:
    """The client's answer to a challenge."""

    nonce: bytes
    mac: bytes
    method: ClassVar[str] = "auth"

    def params(self) -> list[Any]:
        """Return `[client_nonce, mac]`."""
        return [self.nonce, self.mac]

    @classmethod
    def parse(cls, params: list[Any], limits: Limits) -> Self:
        """Read params, or raise `InvalidParams`."""
        return cls(blob(at(params, 0), 32, "nonce"), blob(at(params, 1), 32, "mac"))


@dataclass(frozen=True, slots=True)
class _Empty:
    method: ClassVar[str] = ""

    def params(self) -> list[Any]:
        """Return `[]`."""
        return []

    @classmethod
    def parse(cls, params: list[Any], limits: Limits) -> Self:
        """Accept any params."""
        return cls()


@dataclass(frozen=True, slots=True)
class Ready(_Empty):
    """The client has checked the welcome; pushing may begin."""

    method: ClassVar[str] = "ready"


@dataclass(frozen=True, slots=True)
class SyncRequest(_Empty):
    """Ask for the tracked vector in full."""

    method: ClassVar[str] = "sync"


@dataclass(frozen=True, slots=True)
class ArgsRequest(_Empty):
    """Ask which args the source's states declare."""

    method: ClassVar[str] = "args"


@dataclass(frozen=True, slots=True)
class Ping(_Empty):
    """Ask for any sign of life."""

    method: ClassVar[str] = "ping"


@dataclass(frozen=True, slots=True)
class Mutate:
    """Add, remove, set or toggle states by index. As a notification it carries `seq`."""

    method: str
    states: tuple[int, ...]
    args: Mapping[str, Any] = field(default_factory=dict)
    source: Origin | None = None
    seq: int | None = None

    def params(self) -> list[Any]:
        """Return `[idxs, args, src]`, or `[seq, idxs, args]` for a notification."""
        if self.seq is not None:
            return trim([self.seq, self.states, self.args], {})
        source = None if self.source is None else self.source.wire()
        return trim([self.states, self.args, source], None, {})

    @classmethod
    def parse_as(
        cls, method: str, params: list[Any], limits: Limits, *, one_way: bool = False
    ) -> Self:
        """Read params, or raise `InvalidParams`."""
        seq = uint(at(params, 0), 32) if one_way else None
        start = 1 if one_way else 0
        states = indexes(at(params, start))
        size = len(params)
        args: Mapping[str, Any] = {}
        if size > start + 1 and params[start + 1]:
            args = parse_args(params[start + 1], limits)
        source = None
        if not one_way and size > 2 and params[2] is not None:
            source = Origin.parse(params[2])
        return cls(method, states, args, source, seq)


@dataclass(frozen=True, slots=True)
class AddErr:
    """Report an error on the source: type name, message, and trace text if wanted."""

    states: tuple[int, ...]
    type_name: str
    message: str
    trace: str | None = None
    args: Mapping[str, Any] = field(default_factory=dict)
    source: Origin | None = None
    method: ClassVar[str] = "e"

    def params(self) -> list[Any]:
        """Return `[idxs, {t, m, tb?}, args, src]`."""
        error = {"t": self.type_name, "m": self.message}
        if self.trace is not None:
            error["tb"] = self.trace
        source = None if self.source is None else self.source.wire()
        return trim([self.states, error, self.args, source], None, {})

    @classmethod
    def parse(cls, params: list[Any], limits: Limits) -> Self:
        """Read params, or raise `InvalidParams`."""
        error = mapping(at(params, 1), "error")
        trace = error.get("tb")
        source = at(params, 3)
        return cls(
            indexes(at(params, 0)),
            text(error.get("t"), 256, "error type"),
            text(error.get("m"), limits.text, "error message"),
            None if trace is None else text(trace, limits.text, "trace"),
            parse_args(at(params, 2) or {}, limits),
            None if source is None else Origin.parse(source),
        )


@dataclass(frozen=True, slots=True)
class Check:
    """Run the negotiation of an add (kind 0) or a remove (kind 1) and change nothing."""

    kind: int
    states: tuple[int, ...]
    args: Mapping[str, Any] = field(default_factory=dict)
    method: ClassVar[str] = "c"

    def params(self) -> list[Any]:
        """Return `[kind, idxs, args]`."""
        return trim([self.kind, self.states, self.args], {})

    @classmethod
    def parse(cls, params: list[Any], limits: Limits) -> Self:
        """Read params, or raise `InvalidParams`."""
        kind = uint(at(params, 0))
        if kind > 1:
            raise InvalidParams("check kind")
        return cls(kind, indexes(at(params, 1)), parse_args(at(params, 2) or {}, limits))


@dataclass(frozen=True, slots=True)
class WhenArgs:
    """Subscribe to a state being entered with these args (client), or say it was (server)."""

    token: int
    state: int | None = None
    args: Mapping[str, Any] = field(default_factory=dict)
    method: ClassVar[str] = "wa"

    def params(self) -> list[Any]:
        """Return `[token, idx, args]`, or `[token]` from a server."""
        return [self.token] if self.state is None else [self.token, self.state, self.args]

    @classmethod
    def parse(cls, params: list[Any], limits: Limits) -> Self:
        """Read params, or raise `InvalidParams`."""
        token = uint(at(params, 0))
        args = parse_args(at(params, 2) or {}, limits)
        return cls(token, uint_or_none(at(params, 1)), args)


@dataclass(frozen=True, slots=True)
class DropWhenArgs:
    """Drop a `WhenArgs` subscription."""

    token: int
    method: ClassVar[str] = "wx"

    def params(self) -> list[Any]:
        """Return `[token]`."""
        return [self.token]

    @classmethod
    def parse(cls, params: list[Any], limits: Limits) -> Self:
        """Read params, or raise `InvalidParams`."""
        return cls(uint(at(params, 0)))


@dataclass(frozen=True, slots=True)
class Bye:
    """The sender closes. Reason `stop` ends a client for good, `drain` sends it elsewhere."""

    reason: str = ""
    method: ClassVar[str] = "bye"

    def params(self) -> list[Any]:
        """Return `[reason]`."""
        return [self.reason]

    @classmethod
    def parse(cls, params: list[Any], limits: Limits) -> Self:
        """Read params, or raise `InvalidParams`."""
        reason = at(params, 0)
        return cls("" if reason is None else text(reason, 256, "reason"))


@dataclass(frozen=True, slots=True)
class Update:
    """Growth of tracked ticks since the last send, as flat index, increment pairs.

    In shallow mode `pairs` is the list of flipped indexes. `sum` is the checksum afterwards.
    """

    pairs: tuple[int, ...]
    dq: int
    dm: int
    sum: int
    method: ClassVar[str] = "u"

    def params(self) -> list[Any]:
        """Return `[pairs, dq, dm, sum]`."""
        return [self.pairs, self.dq, self.dm, self.sum]

    @classmethod
    def parse(cls, params: Any, limits: Limits | None = None) -> Self:
        """Read params, or raise `InvalidParams`. Indexes are judged by who knows the states."""
        if type(params) is not list or len(params) < 4:
            raise InvalidParams("update")
        return cls(
            array_of_uint(params[0], "pairs"), uint(params[1]), uint(params[2]), uint(params[3], 16)
        )


@dataclass(frozen=True, slots=True)
class Record:
    """One mutation of the source: kind (0 add, 1 remove, 2 set, 3 auto), called, its update."""

    kind: int
    called: tuple[int, ...]
    update: Update

    def wire(self) -> list[Any]:
        """Return `[kind, called, update]`."""
        return [self.kind, self.called, self.update.params()]

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Read what a peer sent, or raise `InvalidParams`."""
        if type(value) is not list or len(value) < 3:
            raise InvalidParams("record")
        kind = uint(value[0])
        if kind >= len(KIND_NAMES):
            raise InvalidParams("record kind")
        return cls(kind, indexes(value[1]), Update.parse(value[2]))


@dataclass(frozen=True, slots=True)
class Records:
    """Mutations of the source one by one, oldest first."""

    records: tuple[Record, ...]
    method: ClassVar[str] = "um"

    def params(self) -> list[Any]:
        """Return the records as params."""
        return [record.wire() for record in self.records]

    @classmethod
    def parse(cls, params: list[Any], limits: Limits) -> Self:
        """Read params, or raise `InvalidParams`."""
        return cls(tuple(Record.parse(item) for item in params))


@dataclass(frozen=True, slots=True)
class Payload:
    """Data for the client's consumer. After chunks `data` is nil and the chunks hold it."""

    token: int
    name: str
    data: Any = None
    source: str | None = None
    source_tx: str | None = None
    method: ClassVar[str] = "p"

    def params(self) -> list[Any]:
        """Return `[token, name, data, source, source_tx]`."""
        return trim([self.token, self.name, self.data, self.source, self.source_tx], None, None)

    @classmethod
    def parse(cls, params: list[Any], limits: Limits) -> Self:
        """Read params, or raise `InvalidParams`."""
        source, transition = at(params, 3), at(params, 4)
        return cls(
            uint(at(params, 0)),
            text(at(params, 1), 256, "name"),
            at(params, 2),
            None if source is None else text(source, 256, "source"),
            None if transition is None else text(transition, 256, "source_tx"),
        )


@dataclass(frozen=True, slots=True)
class PayloadAnnounced:
    """A payload of `size` encoded bytes follows."""

    token: int
    name: str
    size: int
    method: ClassVar[str] = "pd"

    def params(self) -> list[Any]:
        """Return `[token, name, size]`."""
        return [self.token, self.name, self.size]

    @classmethod
    def parse(cls, params: list[Any], limits: Limits) -> Self:
        """Read params, or raise `InvalidParams`."""
        return cls(uint(at(params, 0)), text(at(params, 1), 256, "name"), uint(at(params, 2)))


@dataclass(frozen=True, slots=True)
class PayloadChunk:
    """Part `index` of `count` of an encoded payload."""

    token: int
    index: int
    count: int
    data: bytes
    method: ClassVar[str] = "pc"

    def params(self) -> list[Any]:
        """Return `[token, index, count, bytes]`."""
        return [self.token, self.index, self.count, self.data]

    @classmethod
    def parse(cls, params: list[Any], limits: Limits) -> Self:
        """Read params, or raise `InvalidParams`."""
        return cls(
            uint(at(params, 0)),
            uint(at(params, 1), 32),
            uint(at(params, 2), 32),
            blob(at(params, 3), None, "chunk"),
        )


@dataclass(frozen=True, slots=True)
class SourceTouch:
    """The server's own source is in touch again (true) or lost (false)."""

    alive: bool
    method: ClassVar[str] = "src"

    def params(self) -> list[Any]:
        """Return `[bool]`."""
        return [self.alive]

    @classmethod
    def parse(cls, params: list[Any], limits: Limits) -> Self:
        """Read params, or raise `InvalidParams`."""
        return cls(boolean(at(params, 0), "src"))
