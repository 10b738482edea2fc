"""What a server says of itself: the challenge, the welcome, a grown schema, a full vector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Self

from .._errors import InvalidParams
from .._escape import escape
from .._value import Value
from .messages import NO_ARGS, VERSION
from .parse import array_of_uint, at, blob, boolean, mapping, names, optional, text, uint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .._options import Limits


class Challenge(Value):
    """A server with a secret says only this before it knows who asks."""

    __slots__ = ("nonce",)

    def __init__(self, nonce: bytes) -> None:
        self.nonce = nonce

    def wire(self) -> dict[str, Any]:
        """Return the result that travels."""
        return {"v": VERSION, "auth": self.nonce}


class Vector(NamedTuple):
    """Full values of the tracked ticks, queue tick and machine tick: `[time, q, m]`."""

    ticks: tuple[int, ...]
    queue_tick: int
    machine_tick: int

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Read what a peer sent, or raise `InvalidParams`."""
        if type(value) is not list or len(value) < 3:
            raise InvalidParams("vector")
        return cls(array_of_uint(value[0], "time"), uint(value[1]), uint(value[2]))


class Shape(Value):
    """Names in order, with schema if it was wanted and is not known yet, and the full vector.

    `untracked`, with a schema: indexes of states that are named, but not followed.
    """

    __slots__ = ("names", "schema", "states", "untracked", "vector")

    def __init__(
        self,
        names: tuple[str, ...],
        schema: Mapping[str, Any] | None,
        vector: Vector,
        states: int,
        untracked: tuple[int, ...] = (),
    ) -> None:
        self.names = names
        self.schema = schema
        self.vector = vector
        self.states = states
        self.untracked = untracked

    def wire(self) -> dict[str, Any]:
        """Return the map that travels."""
        body: dict[str, Any] = {"names": self.names}
        if self.schema is not None:
            body["schema"] = self.schema
        body |= {"t": self.vector.ticks, "q": self.vector.queue_tick}
        body |= {"m": self.vector.machine_tick, "n": self.states}
        if self.untracked:
            body["untracked"] = self.untracked
        return body

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Self:
        """Read a map; raise `InvalidParams` unless names are unique and as many as ticks."""
        listed = names(body.get("names"), "names")
        if not listed or len(set(listed)) != len(listed):
            raise InvalidParams("names: empty or not unique")
        ticks = array_of_uint(body.get("t"), "t")
        if len(ticks) != len(listed):
            raise InvalidParams("as many ticks as names were expected")
        schema = optional(mapping, body.get("schema"), "schema")
        if schema is not None and tuple(schema) != listed:
            raise InvalidParams("schema and names differ")
        vector = Vector(ticks, uint(body.get("q")), uint(body.get("m")))
        untracked = array_of_uint(body.get("untracked", []), "untracked")
        if untracked and max(untracked) >= len(listed):
            raise InvalidParams("untracked")
        return cls(listed, schema, vector, uint(body.get("n")), untracked)


class Welcome(Value):
    """A usable server: who it is, what it holds, and whether the client's session lives on.

    `parent` is the id of the machine that the source belongs to, if there is one; `via` that of the
    replica that a relay serves in its place.
    """

    __slots__ = (
        "boot", "hops", "id", "last", "limits", "mac", "parent", "push", "resume", "shape", "trace",
        "via",
    )  # fmt: skip

    def __init__(
        self,
        id: str,
        boot: bytes,
        shape: Shape,
        resume: bool = False,
        last: int = 0,
        push: float | None = None,
        limits: Mapping[str, Any] = NO_ARGS,
        trace: bool = False,
        hops: int = 0,
        mac: bytes | None = None,
        parent: str | None = None,
        via: str | None = None,
    ) -> None:
        self.via = via
        self.id = id
        self.boot = boot
        self.shape = shape
        self.resume = resume
        self.last = last
        self.push = push
        self.limits = limits
        self.trace = trace
        self.hops = hops
        self.mac = mac
        self.parent = parent

    def wire(self) -> dict[str, Any]:
        """Return the result that travels."""
        body: dict[str, Any] = {"v": VERSION, "id": self.id, "boot": self.boot}
        body |= self.shape.wire()
        body |= {"resume": self.resume, "last": self.last, "push": self.push}
        body |= {"lim": self.limits, "trace": self.trace, "hops": self.hops}
        if self.mac is not None:
            body["mac"] = self.mac
        if self.parent is not None:
            body["parent"] = self.parent
        if self.via is not None:
            body["via"] = self.via
        return body

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Self:
        """Read a map, or raise `InvalidParams`."""
        push = body.get("push")
        if push is not None and type(push) not in (int, float):
            raise InvalidParams("push")
        mac, parent, via = body.get("mac"), body.get("parent"), body.get("via")
        return cls(
            text(body.get("id"), 256, "id", least=1),
            blob(body.get("boot"), 8, "boot"),
            Shape.parse(body),
            boolean(body.get("resume", False), "resume"),
            uint(body.get("last", 0), 32),
            push,
            mapping(body.get("lim", {}), "lim"),
            boolean(body.get("trace", False), "trace"),
            uint(body.get("hops", 0), 16),
            None if mac is None else blob(mac, 32, "mac"),
            None if parent is None else text(parent, 256, "parent"),
            None if via is None else text(via, 256, "via"),
        )


class SchemaGrown(Value):
    """The source has more states now; everything after this counts from its vector."""

    __slots__ = ("shape",)
    method = "schema"

    def __init__(self, shape: Shape) -> None:
        self.shape = shape

    def params(self) -> list[Any]:
        """Return `[map]`."""
        return [self.shape.wire()]

    @classmethod
    def parse(cls, params: list[Any], limits: Limits) -> Self:
        """Read params, or raise `InvalidParams`."""
        return cls(Shape.parse(mapping(at(params, 0), "schema")))


def parse_greeting(value: Any) -> Welcome | Challenge:
    """Read the result of `hello`: a welcome, or a challenge from a server with a secret."""
    body = mapping(value, "welcome")
    if uint(body.get("v")) != VERSION:
        raise InvalidParams("version")
    if "auth" in body:
        return Challenge(blob(body["auth"], 32, "auth"))
    return Welcome.parse(body)


def parse_args_result(value: Any) -> dict[str, tuple[str, ...]]:
    """Read the result of `args`: which args each state declares."""
    return {state: names(found, "args") for state, found in mapping(value, "args").items()}


def parse_lines(value: Any) -> tuple[str, ...]:
    """Read the result of `x`: sentences, made fit for a terminal."""
    if type(value) is not list or len(value) > 64:
        raise InvalidParams("lines: an array was expected")
    return tuple([escape(text(line, 1024, "line")) for line in value])


def parse_check(value: Any) -> bool:
    """Read the result of a check."""
    return bool(uint(value, 1))


def parse_nil(value: Any) -> None:
    """Read the result of a call that returns nothing; growth may add to it."""
