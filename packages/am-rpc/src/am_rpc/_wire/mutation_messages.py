"""The messages that mutate a source, and what is answered to them.

They are nearly all of the traffic, so the usual shapes of both have a short way in: one pass that
checks the types of exactly what is kept. It gives no verdict on anything else; that goes the long
way, through the check of the whole value and the parsing of each param.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self

from .._errors import InvalidParams, RemoteError
from .._value import Value
from .codec import is_flat, name_size
from .messages import NO_ARGS, parse_args, trim
from .parse import at, indexes, mapping, text, uint, uints
from .server_messages import Record, Update

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .._options import Limits

ADD, REMOVE, SET, TOGGLE, ADD_ERR = "a", "r", "s", "t", "e"
MUTATIONS: Final = frozenset((ADD, REMOVE, SET, TOGGLE))
_MOST: Final = 2**63
MAX_FAILURE_TYPE: Final = 256
MAX_FAILURE: Final = 1024
# Type and text of an error.
Failure = tuple[str, str]


class Origin(Value):
    """Where a mutation came from: machine id, transition id, machine time before, hops."""

    __slots__ = ("hops", "machine_id", "time", "transition_id")

    def __init__(self, machine_id: str, transition_id: str, time: int, hops: int) -> None:
        self.machine_id = machine_id
        self.transition_id = transition_id
        self.time = time
        self.hops = hops

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


class Mutate(Value):
    """Add, remove, set or toggle states by index. As a notification it carries `seq`."""

    __slots__ = ("args", "method", "seq", "source", "states")

    def __init__(
        self,
        method: str,
        states: tuple[int, ...],
        args: Mapping[str, Any] = NO_ARGS,
        source: Origin | None = None,
        seq: int | None = None,
    ) -> None:
        self.method = method
        self.states = states
        self.args = args
        self.source = source
        self.seq = seq

    def params(self) -> Any:
        """Return `[idxs, args, src]`, or `[seq, idxs, args]` for a notification."""
        if self.seq is not None:
            return (self.seq, self.states, self.args) if self.args else (self.seq, self.states)
        if self.source is not None:
            return (self.states, self.args, self.source.wire())
        return (self.states, self.args) if self.args else (self.states,)

    @classmethod
    def parse_fast(cls, method: str, params: list[Any], limits: Limits) -> Self | None:
        """Read `[idxs]` or `[idxs, args]` with scalar args; None, and no verdict, if it is not."""
        args: Any = NO_ARGS
        if len(params) == 2:
            args = params[1]
            if type(args) is not dict or len(args) > limits.args_keys or not is_flat(args):
                return None
            longest = limits.arg_key
            for key in args:
                if len(key) > longest or name_size(key) > longest:
                    return None
        elif len(params) != 1:
            return None
        states = uints(params[0])
        return None if states is None else cls(method, states, args)

    @classmethod
    def parse_as(
        cls, method: str, params: list[Any], limits: Limits, *, one_way: bool = False
    ) -> Self | InChunks:
        """Read params, or raise `InvalidParams`."""
        seq = uint(at(params, 0), 32) if one_way else None
        start = 1 if one_way else 0
        states = indexes(at(params, start))
        count, args = _count_or_args(at(params, start + 1), limits)
        source = None if one_way else at(params, 2)
        origin = None if source is None else Origin.parse(source)
        message = cls(method, states, args, origin, seq)
        return message if count is None else InChunks(message, count)

    def with_args(self, args: Mapping[str, Any]) -> Mutate:
        """Return the same with other args."""
        return Mutate(self.method, self.states, args, self.source, self.seq)


class AddErr(Value):
    """Report an error on the source: type name, message, and trace text if wanted."""

    __slots__ = ("args", "message", "source", "states", "trace", "type_name")
    method = ADD_ERR

    def __init__(
        self,
        states: tuple[int, ...],
        type_name: str,
        message: str,
        trace: str | None = None,
        args: Mapping[str, Any] = NO_ARGS,
        source: Origin | None = None,
    ) -> None:
        self.states = states
        self.type_name = type_name
        self.message = message
        self.trace = trace
        self.args = args
        self.source = source

    def params(self) -> list[Any]:
        """Return `[idxs, {t, m, tb?}, args, src]`."""
        error = {"t": self.type_name, "m": self.message}
        if self.trace is not None:
            error["tb"] = self.trace
        source = None if self.source is None else self.source.wire()
        return trim([self.states, error, self.args, source], None, {})

    @classmethod
    def parse(cls, params: list[Any], limits: Limits) -> Self | InChunks:
        """Read params, or raise `InvalidParams`."""
        error = mapping(at(params, 1), "error")
        trace = error.get("tb")
        count, args = _count_or_args(at(params, 2), limits)
        source = at(params, 3)
        message = cls(
            indexes(at(params, 0)),
            text(error.get("t"), 256, "error type"),
            text(error.get("m"), limits.text, "error message"),
            None if trace is None else text(trace, limits.text, "trace"),
            args,
            None if source is None else Origin.parse(source),
        )
        return message if count is None else InChunks(message, count)

    def with_args(self, args: Any) -> AddErr:
        """Return the same with other args, or with the number of their chunks."""
        return AddErr(self.states, self.type_name, self.message, self.trace, args, self.source)


class InChunks(Value):
    """A mutation whose args went ahead of it, in so many chunks; `message` has none."""

    __slots__ = ("count", "message")

    def __init__(self, message: Mutate | AddErr, count: int) -> None:
        self.message = message
        self.count = count

    @property
    def method(self) -> str:
        """Return the method name on the wire."""
        return self.message.method

    def params(self) -> Any:
        """Return those of the mutation, with the number of chunks in place of its args."""
        number: Any = self.count
        return self.message.with_args(number).params()


def _count_or_args(value: Any, limits: Limits) -> tuple[int | None, Mapping[str, Any]]:
    """Return how many chunks the args came in, if they did, else the args."""
    if type(value) is int:
        if not value:
            raise InvalidParams("number of chunks")
        return uint(value, 32), NO_ARGS
    return None, parse_args(value or {}, limits)


class MutationResult(Value):
    """Outcome of a mutation with every clock change since the last send.

    `failure` is type and text of an error that the mutation met at the source.
    """

    __slots__ = ("executed", "failure", "update")

    def __init__(
        self,
        executed: bool,
        update: Update | tuple[Record, ...] | None = None,
        failure: Failure | None = None,
    ) -> None:
        self.executed = executed
        self.update = update
        self.failure = failure

    def wire(self) -> tuple[Any, ...]:
        """Return `[res, update]`, where update is one or an array of records, and any failure."""
        if self.failure is None:
            return (int(self.executed), self.update)
        return (int(self.executed), self.update, self.failure)

    @classmethod
    def parse_fast(cls, value: Any) -> Self | None:
        """Read `[res, update]` with one update or none; None, and no verdict, if it is not."""
        if type(value) is not list or len(value) != 2 or type(value[0]) is not int:
            return None
        executed, body = value
        if executed != 1 and executed != 0:
            return None
        if body is None:
            return cls(executed == 1)
        if type(body) is not list or len(body) != 4:
            return None
        numbers, dq, dm, total = body
        if type(dq) is not int or type(dm) is not int or type(total) is not int:
            return None
        pairs = uints(numbers)
        if pairs is None or not (0 <= dq < _MOST and 0 <= dm < _MOST and 0 <= total < 65_536):
            return None
        return cls(executed == 1, Update(pairs, dq, dm, total))

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Read what a peer sent, or raise `InvalidParams`."""
        if type(value) is not list or len(value) < 2 or uint(value[0]) > 1:
            raise InvalidParams("mutation result")
        body, failure = value[1], _failure(at(value, 2))
        if body is None:
            return cls(value[0] == 1, None, failure)
        if type(body) is list and len(body) == 4 and type(body[1]) is int:
            return cls(value[0] == 1, Update.parse(body), failure)
        if type(body) is not list:
            raise InvalidParams("mutation result")
        return cls(value[0] == 1, tuple(Record.parse(item) for item in body), failure)


def failure_of(error: BaseException) -> Failure:
    """Return what travels of an error: its type and its text, both bounded; no trace."""
    try:
        told = error.message if isinstance(error, RemoteError) else str(error)
    except Exception:
        told = "an error without a text"
    # Lone surrogates cannot be encoded.
    told = told[:MAX_FAILURE].encode("utf-8", "backslashreplace").decode()
    kind = error.type_name if isinstance(error, RemoteError) else type(error).__name__
    return kind[:MAX_FAILURE_TYPE], told[:MAX_FAILURE]


def _failure(value: Any) -> Failure | None:
    if value is None:
        return None
    if type(value) is not list or len(value) < 2:
        raise InvalidParams("failure")
    return text(value[0], MAX_FAILURE_TYPE, "failure"), text(value[1], MAX_FAILURE, "failure")
