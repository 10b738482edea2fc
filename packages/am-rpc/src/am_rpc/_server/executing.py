"""Mutations of one client: executed at most once each, with the answer that belongs to them."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import fields
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeGuard

import trio

import am_machine as am

from .._caller import CALLER, Caller
from .._errors import EncodeError, ErrorCode, InvalidParams, RemoteError, RpcError
from .._results import when_settled
from .._wire.mutation_messages import ADD, REMOVE, SET, TOGGLE, AddErr, Mutate, failure_of
from .._wire.typed_args import load_args
from .session import SETTLED, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from .._client.network_machine import NetworkMachine
    from .._options import Access
    from .._transport.driver import Connection
    from .._wire.delta_encoder import DeltaEncoder
    from .context import ExecuteContext
    from .pushing import Pusher
    from .session import Session

    States = tuple[tuple[int, ...], tuple[str, ...]]

_METHODS: Final = {ADD: "add", REMOVE: "remove", SET: "set", TOGGLE: "toggle"}
# What a machine itself gives to handlers of its errors.
_OWN: Final = frozenset(("err", "panic", "task"))
# Sets of states whose names are kept; a client mutates few of those that there are.
_KNOWN: Final = 256
# Longer ones are looked up each time: a client chooses how long they are.
_SHORT: Final = 64


def is_replica(source: am.MachineApi) -> TypeGuard[NetworkMachine]:
    """Tell whether the server is a relay, without loading what only clients and relays need."""
    return not source.is_local


class Executor:
    """Executes what a client asks for on the source.

    Args:
        server: owner of the source, and of the rules of access.
        connection: the transport.
        session: which mutations were executed before.
        feed: which states the client's indexes mean.
        pusher: what is sent with an answer.
        access: what the client may do.
    """

    __slots__ = (
        "_access", "_caller", "_connection", "_feed", "_known", "_payload_state", "_pusher",
        "_server", "_session", "_source", "_writable",
    )  # fmt: skip

    def __init__(
        self,
        server: ExecuteContext,
        connection: Connection,
        session: Session,
        feed: DeltaEncoder,
        pusher: Pusher,
        access: Access,
    ) -> None:
        self._server = server
        self._source = server.source
        self._connection = connection
        self._session = session
        self._caller = Caller(session.client_id, session.nonce, session.key_id)
        self._feed = feed
        self._pusher = pusher
        self._access = access
        self._writable = access.write
        self._payload_state = server.serving.payload_state
        # What was mutated before -> source indexes and names, which never change.
        self._known: dict[tuple[int, ...], States] = {}

    def mutate(self, call_id: int, message: Mutate | AddErr) -> None:
        """Execute a mutation and answer it; a repeat is answered only.

        Raises:
            InvalidParams: it is refused.
        """
        session, pusher = self._session, self._pusher
        if not session.begin(call_id):
            self._repeat(call_id)
            return
        pusher.is_busy = True
        before = self._source.err
        try:
            result = self._execute(message)
        except InvalidParams as error:
            session.refuse(call_id, error.code, str(error))
            raise
        finally:
            pusher.is_busy = False
        self._server.stats.mutations += 1
        if result.outcome is not None:
            if isinstance(result.error, RpcError):
                # Of a replica that has no way to its source.
                session.refuse(call_id, result.error.code, str(result.error))
                raise InvalidParams(str(result.error), result.error.code)
            executed = result.outcome is am.EXECUTED
            outcome = SETTLED[executed]
            met = self._source.err
            if met is not before and met is not None and self._tells(message):
                outcome = session.failed(Outcome(), executed, failure_of(met))
            session.remember(call_id, outcome)
            # What was just read is answered at the time of reading; no clock is asked.
            self._answer(call_id, outcome, self._connection.last_rx)
        else:
            outcome = Outcome()
            session.remember(call_id, outcome)
            outcome.when_settled(lambda known: self._answer_later(call_id, known))
            tells = self._tells(message)
            settle = partial(_settle, session, outcome, result, tells)
            when_settled(result, settle, self._server.mach)

    def mutate_one_way(self, message: Mutate) -> None:
        """Execute a mutation that wants no answer, unless it is a repeat."""
        assert message.seq is not None
        stats = self._server.stats
        if not self._session.begin(message.seq):
            stats.dedup_hits += 1
            return
        stats.mutations += 1
        try:
            result = self._execute(message)
        except InvalidParams as error:
            self._connection.refuse(None, error.code, str(error))
            return
        if not result:
            stats.canceled += 1

    def _tells(self, message: Mutate | AddErr) -> bool:
        """Whether the client hears of errors; of one that it reports it knows."""
        return type(message) is Mutate and self._access.errors

    # Answers.

    def _answer(self, call_id: int, outcome: Outcome, now: float) -> None:
        connection = self._connection
        if connection.closed:
            return
        executed = bool(outcome.executed)
        if not executed:
            self._server.stats.canceled += 1
        update = self._pusher.take_update(now)
        data = connection.protocol.send_outcome(call_id, executed, update, outcome.failure)
        connection.answer(data)

    def _answer_later(self, call_id: int, outcome: Outcome) -> None:
        if outcome.refusal is None:
            self._answer(call_id, outcome, trio.current_time())
        elif not self._connection.closed:
            self._connection.refuse(call_id, *outcome.refusal)

    def _repeat(self, call_id: int) -> None:
        """A call that was seen before: answer with its outcome, never execute it again."""
        self._server.stats.dedup_hits += 1
        outcome = self._session.find(call_id)
        if outcome is None:
            raise InvalidParams("outcome was forgotten", ErrorCode.SESSION_LOST)
        connection = self._connection
        if not outcome.settled:
            outcome.when_settled(lambda known: self._answer_later(call_id, known))
        elif outcome.refusal is not None:
            connection.refuse(call_id, *outcome.refusal)
        else:
            executed, failure = bool(outcome.executed), outcome.failure
            connection.send(connection.protocol.send_outcome(call_id, executed, None, failure))

    # At the source.

    def _execute(self, message: Mutate | AddErr) -> am.Result:
        source = self._source
        if source.disposed:
            raise InvalidParams("the source is disposed", ErrorCode.DISPOSED)
        known = self._known.get(message.states)
        indexes, names = self._look_up(message.states) if known is None else known
        if self._writable is not None:
            self._judge(message, names, self._writable)
        args = message.args
        if args and source.schema.args_classes:
            _refuse_own(source.schema, indexes, args)
            args = load_args(source.schema, indexes, args)
        who = CALLER.set(self._caller)
        try:
            if message.source is not None:
                return self._caused(message, names, args)
            if type(message) is Mutate:
                result: am.Result = getattr(source, _METHODS[message.method])(*names, **args)
                return result
            return self._apply(message, names, args)
        except (am.ArgsError, EncodeError) as error:
            # The latter from a relay, whose own server takes less.
            raise InvalidParams(str(error)) from error
        finally:
            CALLER.reset(who)

    @contextmanager
    def called(self) -> Iterator[None]:
        """Let what runs inside, and the tasks that it starts, know who asked for it."""
        who = CALLER.set(self._caller)
        try:
            yield
        finally:
            CALLER.reset(who)

    def _caused(
        self, message: Mutate | AddErr, names: tuple[str, ...], args: Mapping[str, Any]
    ) -> am.Result:
        origin = message.source
        assert origin is not None
        if origin.hops > self._server.max_hops:
            raise InvalidParams("too many hops")
        source = am.Source(origin.machine_id, origin.transition_id, origin.time, origin.hops)
        with am.use_source(source):
            return self._apply(message, names, args)

    def _apply(
        self, message: Mutate | AddErr, names: tuple[str, ...], args: Mapping[str, Any]
    ) -> am.Result:
        source = self._source
        if isinstance(message, Mutate):
            call = getattr(source, _METHODS[message.method])
            result: am.Result = call(*names, **args)
            return result
        error = RemoteError(message.type_name, message.message, message.trace)
        wanted = [name for name in names if name != "Exception"]
        if "ErrOnClient" in source.schema and "ErrOnClient" not in wanted:
            reported = source.add_err("ErrOnClient", error, **args)
            if not wanted:
                return reported
        if wanted:
            return source.add_err(wanted[0], error, **args)
        return source.add_err(error, **args)

    def _judge(
        self, message: Mutate | AddErr, names: tuple[str, ...], writable: frozenset[str]
    ) -> None:
        """Refuse what would move states that the client did not name and may not write.

        Relations are not judged: they are the source's own.
        """
        source = self._source
        moved: Iterable[str] = ()
        if type(message) is AddErr:
            # Each error activates it, named or not.
            moved = ("Exception",)
        elif message.method == SET:
            if source.is_local:
                moved = source.active
            elif is_replica(source) and source.has_schema:
                # The source of a replica may have gone on: any state may be active there.
                moved = source.schema.names
            else:
                raise InvalidParams("set: not all states are known here", ErrorCode.NO_ACCESS)
        forbidden = set(moved) - writable - set(names)
        if forbidden:
            raise InvalidParams(f"state {min(forbidden)}", ErrorCode.NO_ACCESS)

    def writable(self, wire: tuple[int, ...]) -> States:
        """Return what a client's indexes mean, if it may mutate all of them; else as `states`."""
        found = self.states(wire, self._writable)
        if self._writable is None and self._payload_state in found[1]:
            # It makes the server speak to its clients in the name of the source.
            raise InvalidParams(f"state {self._payload_state}", ErrorCode.NO_ACCESS)
        return found

    def _look_up(self, wire: tuple[int, ...]) -> States:
        found = self.writable(wire)
        if len(self._known) < _KNOWN and len(wire) <= _SHORT:
            self._known[wire] = found
        return found

    def states(self, wire: tuple[int, ...], allowed: frozenset[str] | None) -> States:
        """Return source indexes and names of a client's indexes.

        Raises:
            InvalidParams: there is no such state, or it is not among the `allowed` ones.
        """
        names = self._source.schema.names
        indexes = []
        for number in wire:
            index = self._feed.source_index(number)
            if index is None:
                raise InvalidParams(f"state {number}", ErrorCode.UNKNOWN_STATE)
            if allowed is not None and names[index] not in allowed:
                raise InvalidParams(f"state {names[index]}", ErrorCode.NO_ACCESS)
            indexes.append(index)
        return tuple(indexes), tuple([names[index] for index in indexes])


def _refuse_own(schema: am.Schema, indexes: tuple[int, ...], args: Mapping[str, Any]) -> None:
    """Refuse args that only the source's own errors may carry past an args class."""
    for index in indexes:
        cls = schema.args_classes.get(index)
        if cls is not None and not _OWN.isdisjoint(args):
            for name in _OWN & args.keys() - {field.name for field in fields(cls)}:
                raise InvalidParams(f"{schema.names[index]} takes no {name}")


def _settle(session: Session, outcome: Outcome, result: am.Result, tells: bool) -> None:
    error = result.error
    if isinstance(error, RemoteError):
        # It was met further up; how the mutation ended is known.
        executed = result.outcome is am.EXECUTED
        if tells:
            session.failed(outcome, executed, failure_of(error))
        else:
            outcome.settle(executed=executed)
    elif isinstance(error, RpcError):
        session.refusal(outcome, error.code, str(error))
    else:
        outcome.settle(executed=result.outcome is am.EXECUTED)
