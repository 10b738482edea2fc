"""The vocabulary of the wire, version 1: what a client says, and what both sides say.

Each class knows its own `params`, the array that stands for it, and how to `parse` an array that a
peer sent. Parsing trusts nothing: a missing trailing parameter takes its default, an unknown extra
one is ignored, everything else raises `InvalidParams` with a text fit for the peer. What only a
server says is in `server_messages`, mutations are in `mutation_messages`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from .._errors import ErrorCode, InvalidParams, LimitExceeded
from .._escape import escape
from .._value import Value
from .codec import check_value, is_arg_name
from .parse import (
    at,
    blob,
    boolean,
    indexes,
    joined_names,
    mapping,
    optional,
    printable,
    text,
    uint,
    uint_or_none,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .._options import Limits

VERSION: Final = 1
# The reason of a goodbye to who sent what cannot be read on.
REFUSED: Final = "refused"
# Shared by all messages without args, so nobody may change it.
NO_ARGS: Final[Mapping[str, Any]] = {}


class Message(Protocol):
    """What every message offers."""

    @property
    def method(self) -> str:
        """Return the method name on the wire."""
        ...

    def params(self) -> Any:
        """Return the parameter array, without trailing defaults."""
        ...


def parse_args(value: Any, limits: Limits) -> dict[str, Any]:
    """Return keyword arguments from a peer, or raise `InvalidParams`."""
    args = mapping(value, "args")
    check_arg_names(args, limits)
    try:
        check_value(args, limits.args_depth)
    except LimitExceeded:
        raise InvalidParams(
            f"args nested deeper than {limits.args_depth} levels", ErrorCode.TOO_LARGE
        ) from None
    return args


def check_arg_names(args: Mapping[str, Any], limits: Limits) -> None:
    """Raise `InvalidParams` if there are too many args, or one has a bad name."""
    if len(args) > limits.args_keys:
        raise InvalidParams("too many args")
    for key in args:
        if type(key) is not str or not is_arg_name(key, limits.arg_key):
            raise InvalidParams("bad arg name")


def trim(params: list[Any], *defaults: Any) -> list[Any]:
    """Drop trailing params that equal their defaults, given last first."""
    for default in defaults:
        if params[-1] != default or type(params[-1]) is not type(default):
            break
        params.pop()
    return params


class Hello(Value):
    """First message of a client. `session` is its nonce, `sync` what it wants to follow.

    `to` names the machine; empty if it only wants to know which ones there are.
    """

    __slots__ = ("hash", "id", "kid", "last", "lim", "session", "sync", "to", "v")
    method = "hello"

    def __init__(
        self,
        id: str,
        session: bytes,
        v: int = VERSION,
        hash: bytes | None = None,
        sync: Mapping[str, Any] | None = None,
        kid: str | None = None,
        last: bytes | None = None,
        lim: Mapping[str, int] | None = None,
        to: str | None = None,
    ) -> None:
        self.lim = lim
        self.to = to
        self.id = id
        self.session = session
        self.v = v
        self.hash = hash
        self.sync = sync
        self.kid = kid
        self.last = last

    def params(self) -> list[Any]:
        """Return `[{v, id, se, …}]`."""
        body: dict[str, Any] = {"v": self.v, "id": self.id, "se": self.session}
        for key in ("hash", "sync", "kid", "last", "lim", "to"):
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
                "allowed": joined_names(sync.get("allowed"), "sync"),
                "skipped": joined_names(sync.get("skipped"), "sync") or (),
                "shallow": boolean(sync.get("shallow", False), "sync"),
                "mutations": boolean(sync.get("mutations", False), "sync"),
                "queue": boolean(sync.get("queue", True), "sync"),
            }
        kid = body.get("kid")
        return cls(
            printable(body.get("id"), 256, "id"),
            blob(body.get("se"), 8, "se"),
            version,
            None if body.get("hash") is None else blob(body["hash"], 16, "hash"),
            sync,
            None if kid is None else printable(kid, 256, "kid"),
            None if body.get("last") is None else blob(body["last"], 8, "last"),
            optional(mapping, body.get("lim"), "lim"),
            optional(lambda value, what: text(value, 256, what), body.get("to"), "to"),
        )


class Auth(Value):
    """The client's answer to a challenge."""

    __slots__ = ("mac", "nonce")
    method = "auth"

    def __init__(self, nonce: bytes, mac: bytes) -> None:
        self.nonce = nonce
        self.mac = mac

    def params(self) -> list[Any]:
        """Return `[client_nonce, mac]`."""
        return [self.nonce, self.mac]

    @classmethod
    def parse(cls, params: list[Any], limits: Limits) -> Self:
        """Read params, or raise `InvalidParams`."""
        return cls(blob(at(params, 0), 32, "nonce"), blob(at(params, 1), 32, "mac"))


class _Empty(Value):
    __slots__ = ()
    method = ""

    def params(self) -> list[Any]:
        """Return `[]`."""
        return []

    @classmethod
    def parse(cls, params: list[Any], limits: Limits) -> Self:
        """Accept any params."""
        return cls()


class Ready(_Empty):
    """The client has checked the welcome; pushing may begin."""

    __slots__ = ()
    method = "ready"


class SyncRequest(_Empty):
    """Ask for the tracked vector in full."""

    __slots__ = ()
    method = "sync"


class ArgsRequest(_Empty):
    """Ask which args the source's states declare."""

    __slots__ = ()
    method = "args"


class Ping(_Empty):
    """Ask for any sign of life."""

    __slots__ = ()
    method = "ping"


class Explain(Value):
    """Ask why an add (kind 0), a remove (1) or a set (2) would come out as it does now."""

    __slots__ = ("kind", "states")
    method = "x"

    def __init__(self, kind: int, states: tuple[int, ...]) -> None:
        self.kind = kind
        self.states = states

    def params(self) -> list[Any]:
        """Return `[kind, idxs]`."""
        return [self.kind, self.states]

    @classmethod
    def parse(cls, params: list[Any], limits: Limits) -> Self:
        """Read params, or raise `InvalidParams`."""
        kind = uint(at(params, 0))
        if kind > 2:
            raise InvalidParams("kind of mutation")
        return cls(kind, indexes(at(params, 1)))


class Check(Value):
    """Run the negotiation of an add (kind 0) or a remove (kind 1) and change nothing."""

    __slots__ = ("args", "kind", "states")
    method = "c"

    def __init__(
        self, kind: int, states: tuple[int, ...], args: Mapping[str, Any] = NO_ARGS
    ) -> None:
        self.kind = kind
        self.states = states
        self.args = args

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


class WhenArgs(Value):
    """Subscribe to a state being entered with these args (client), or say it was (server)."""

    __slots__ = ("args", "state", "token")
    method = "wa"

    def __init__(
        self, token: int, state: int | None = None, args: Mapping[str, Any] = NO_ARGS
    ) -> None:
        self.token = token
        self.state = state
        self.args = args

    def params(self) -> list[Any]:
        """Return `[token, idx, args]`, or `[token]` from a server."""
        return [self.token] if self.state is None else [self.token, self.state, self.args]

    @classmethod
    def parse(cls, params: list[Any], limits: Limits) -> Self:
        """Read params, or raise `InvalidParams`."""
        token = uint(at(params, 0))
        args = parse_args(at(params, 2) or {}, limits)
        return cls(token, uint_or_none(at(params, 1)), args)


class DropWhenArgs(Value):
    """Drop a `WhenArgs` subscription."""

    __slots__ = ("token",)
    method = "wx"

    def __init__(self, token: int) -> None:
        self.token = token

    def params(self) -> list[Any]:
        """Return `[token]`."""
        return [self.token]

    @classmethod
    def parse(cls, params: list[Any], limits: Limits) -> Self:
        """Read params, or raise `InvalidParams`."""
        return cls(uint(at(params, 0)))


class Behind(Value):
    """Clients that a relay serves, by id: they are behind it now, or no more."""

    __slots__ = ("ids", "is_there")
    method = "rl"

    def __init__(self, is_there: bool, ids: tuple[str, ...]) -> None:
        self.is_there = is_there
        self.ids = ids

    def params(self) -> list[Any]:
        """Return `[bool, ids]`."""
        return [self.is_there, self.ids]

    @classmethod
    def parse(cls, params: list[Any], limits: Limits) -> Self:
        """Read params, or raise `InvalidParams`."""
        found = at(params, 1)
        if type(found) is not list:
            raise InvalidParams("ids: an array was expected")
        ids = tuple([printable(item, 256, "ids") for item in found])
        return cls(boolean(at(params, 0), "there"), ids)


class Bye(Value):
    """The sender closes. Reason `stop` ends a client for good, `drain` sends it elsewhere."""

    __slots__ = ("reason",)
    method = "bye"

    def __init__(self, reason: str = "") -> None:
        self.reason = reason

    def params(self) -> list[Any]:
        """Return `[reason]`."""
        return [self.reason]

    @classmethod
    def parse(cls, params: list[Any], limits: Limits) -> Self:
        """Read params, or raise `InvalidParams`."""
        reason = at(params, 0)
        return cls("" if reason is None else escape(text(reason, 256, "reason")))
