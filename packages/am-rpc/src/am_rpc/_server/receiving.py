"""Large args of one client on their way in: judged by the first chunk, kept, decoded, executed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from .._errors import ErrorCode, InvalidParams, LimitExceeded
from .._wire.args_chunks import INCOMPLETE, NO_ROOM, Assembly
from .._wire.mutation_messages import ADD_ERR, MUTATIONS, Mutate

if TYPE_CHECKING:
    from collections.abc import Generator

    import am_machine as am

    from .._options import Limits
    from .._transport.driver import Connection
    from .._wire.args_chunks import ArgsChunk
    from .._wire.mutation_messages import AddErr, InChunks
    from .executing import Executor
    from .session import Session


class ArgsReceiver:
    """Puts the args of a client's mutations together, those of one at a time.

    Args:
        mach: machine whose task watches the time that a transfer takes.
        connection: the transport.
        session: whose budget they are taken from.
        executor: judges, and in the end executes, the mutation.
        limits: bounds in bytes, counts and seconds.
    """

    __slots__ = (
        "_assembly", "_connection", "_executor", "_limits", "_mach", "_passed", "_session",
        "_timer",
    )  # fmt: skip

    def __init__(
        self,
        mach: am.Machine,
        connection: Connection,
        session: Session,
        executor: Executor,
        limits: Limits,
    ) -> None:
        self._mach = mach
        self._connection = connection
        self._session = session
        self._executor = executor
        self._limits = limits
        self._assembly: Assembly | None = None
        self._timer = trio.CancelScope()
        # The mutation of which chunks may still come though nothing of it is kept.
        self._passed = 0

    def end(self) -> None:
        """Keep nothing any more."""
        if self._assembly is not None:
            self._assembly.drop()
            self._assembly = None
            self._timer.cancel()

    def take(self, chunk: ArgsChunk) -> None:
        """Keep a chunk. What cannot be kept, or will not be executed, is refused once."""
        seq = chunk.seq
        if seq <= self._session.last or (chunk.index and seq == self._passed):
            # It was executed or refused; the client did not know when it sent this.
            return
        try:
            self._add(chunk)
        except LimitExceeded:
            self._forget(seq)
            self._answer_again(seq, NO_ROOM)
        except InvalidParams as error:
            self._forget(seq)
            self._refuse(seq, error)

    def _add(self, chunk: ArgsChunk) -> None:
        if not chunk.index:
            self.end()
            if chunk.mutation not in MUTATIONS and chunk.mutation != ADD_ERR:
                raise InvalidParams("no mutation", ErrorCode.UNKNOWN_METHOD)
            self._executor.writable(chunk.states)
            self._passed = 0
            self._assembly = Assembly(chunk, self._limits, self._session.args_budget)
            self._timer = trio.CancelScope()
            self._mach.fork(self._watch, self._assembly, self._timer)
        assembly = self._assembly
        if assembly is None or assembly.seq != chunk.seq:
            raise InvalidParams("chunk of args that did not begin")
        assembly.add(chunk)

    async def _watch(self, assembly: Assembly, timer: trio.CancelScope) -> None:
        """Refuse args that do not come to an end in time."""
        with timer:
            await trio.sleep(self._limits.large_timeout)
        if self._assembly is assembly:
            self._forget(assembly.seq)
            told = f"args took longer than {self._limits.large_timeout:g} s (Limits.large_timeout)"
            self._refuse(assembly.seq, InvalidParams(told, ErrorCode.TOO_LARGE))

    def _forget(self, seq: int) -> None:
        self.end()
        self._passed = seq

    def execute(self, call_id: int | None, message: InChunks) -> None:
        """Execute the mutation whose args have come; without an id nobody hears of it."""
        mutation = message.message
        seq = call_id
        if seq is None:
            assert isinstance(mutation, Mutate)
            seq = mutation.seq
        assert seq is not None
        if seq <= self._session.last:
            self._mutate(call_id, mutation)
            return
        assembly = self._assembly
        if assembly is not None and assembly.seq == seq and assembly.is_whole:
            if assembly.count == message.count:
                self._assembly = None
                self._timer.cancel()
                self._connection.do_first(self._decode(call_id, seq, mutation, assembly))
                return
            self.end()
        if seq != self._passed:
            self._answer_again(seq, INCOMPLETE)
        # Else the client was told at the first chunk that was not kept, and may begin anew.
        self._passed = 0

    def _decode(
        self, call_id: int | None, seq: int, mutation: Mutate | AddErr, assembly: Assembly
    ) -> Generator[None]:
        try:
            args = yield from assembly.decode()
        except InvalidParams as error:
            self._refuse(seq, error)
            return
        self._mutate(call_id, mutation.with_args(args))

    def _mutate(self, call_id: int | None, mutation: Mutate | AddErr) -> None:
        if call_id is None:
            assert isinstance(mutation, Mutate)
            self._executor.mutate_one_way(mutation)
            return
        try:
            self._executor.mutate(call_id, mutation)
        except (InvalidParams, LimitExceeded) as error:
            self._connection.refuse(call_id, error.code, str(error))

    def _refuse(self, seq: int, error: InvalidParams) -> None:
        """Refuse a mutation for good; who asks again is told the same."""
        if self._session.begin(seq):
            self._session.refuse(seq, error.code, str(error))
        self._connection.refuse(seq, error.code, str(error))

    def _answer_again(self, seq: int, why: str) -> None:
        """Nothing is kept of it, so the client may begin anew."""
        connection = self._connection
        if not connection.closed:
            connection.send(connection.protocol.send_refusal(seq, ErrorCode.TOO_LARGE, why))
