"""`NetworkMachine`: a replica of a machine elsewhere.

Reads, waits and contexts are those of `am.BaseMachine` and cost no network call. Mutations are put
into the client's outbox and return at once. How updates from the server come in is in `_replica`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from weakref import ref

import trio

import am_machine as am

from .._errors import ReadOnlyMachine, RpcError
from .._options import Sync
from .._results import NetResult
from .._wire import messages as m
from .._wire.codec import encode_args
from .._wire.mutation_messages import ADD, REMOVE, SET, TOGGLE, AddErr
from .._wire.typed_args import dump_args
from .replica import Replica
from .subscriptions import Subscriptions
from .uplink import NO_UPLINK

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .uplink import ClientApi, Uplink

# Sets of states whose indexes are kept; a program mutates few of those that there are.
_KNOWN: Final = 1024
_EXPLAINED: Final = ("add", "remove", "set")
_KINDS: Final = {"a": "add", "r": "remove", "s": "set", "t": "toggle", "e": "add"}


class NetworkMachine(Replica):
    """A machine whose source lives elsewhere; usually made by a `Client`, see `client.net`.

    It offers the surface of `am.MachineApi`. Mutations are plain calls that return a `NetResult`
    which settles once the source has answered. Final handlers may be bound, negotiation handlers
    may not. `remote_id` is the id of the source, `remote_parent` that of the machine it was made
    under, None if there is none.

    Without a client it is fed by hand: `advance` and `reset_clock` move its clock, `grow` its
    schema. Mutations are then canceled with a `ReadOnlyMachine`, which `sync`, `check_add`,
    `check_remove` and `when_args` raise. It can be served again like any other machine.
    """

    def __init__(
        self,
        client: ClientApi | None,
        schema: am.Schema,
        *,
        remote_id: str,
        remote_parent: str | None = None,
        sync: Sync = Sync(),  # noqa: B008 - frozen
        untracked: Iterable[int] = (),
        args_schema: am.Schema | None = None,
        parent: Any = None,
        id: str,
        tags: Iterable[str] = (),
        handlers: object | None = None,
    ) -> None:
        self._client = client
        self.uplink: Uplink = NO_UPLINK if client is None else client
        self.remote_id = remote_id
        self.remote_parent = remote_parent
        self._args_schema = args_schema
        # What was mutated before -> its indexes on the wire, which never change.
        self._known_indexes: dict[tuple[str, ...], tuple[int, ...]] = {}
        self.subscriptions = Subscriptions(self.uplink.subscribe)
        super().__init__(schema, sync, untracked, id=id, parent=parent, tags=tags)
        if client is None:
            self._wire_states = len(schema)
        if handlers is not None:
            self.bind(handlers)
        self.on_dispose(NetworkMachine._end_subscriptions)

    @property
    def client(self) -> ClientApi:
        """The client that keeps this replica true.

        Raises:
            ReadOnlyMachine: there is none.
        """
        if self._client is None:
            raise ReadOnlyMachine(f"{self.id} has no connection to its source")
        return self._client

    def grow(self, schema: am.Schema) -> None:
        """Take the schema of a source that may have more states than before.

        Raises:
            RpcError: states went or moved, or a client feeds this replica.
        """
        if self._client is not None:
            raise RpcError(f"the schema of {self.id} comes from its server")
        self.reshape(schema, self._untracked)
        self._wire_states = len(self.schema)

    def _end_subscriptions(self) -> None:
        self.subscriptions.end()

    # Mutations.

    def add(self, /, *states: str, **args: Any) -> am.Result:
        """Activate states at the source.

        Returns at once. `await` the result to learn the outcome. It is canceled right away if the
        machine is disposed, the outbox is full or the client was stopped; `result.error` says why.

        Raises:
            am.UnknownStateError: a name is not a state.
            am.ArgsError: the args do not fit the typed schema that the client was given.
            EncodeError: an arg has no wire form, or the server would not take it; it names the
                argument, and the limit.
        """
        return self._mutate(ADD, states, args)

    def remove(self, /, *states: str, **args: Any) -> am.Result:
        """Deactivate states at the source; see `add`."""
        return self._mutate(REMOVE, states, args)

    def set(self, /, *states: str, **args: Any) -> am.Result:
        """Make these the active states of the source; see `add`."""
        return self._mutate(SET, states, args)

    def toggle(self, /, *states: str, **args: Any) -> am.Result:
        """Remove the states if all are active, else add them; the source decides. See `add`."""
        return self._mutate(TOGGLE, states, args)

    def add_ns(self, /, *states: str, **args: Any) -> am.Result:
        """Activate states without an answer: `EXECUTED` means written to the outbox."""
        return self._mutate_one_way(ADD, states, args)

    def remove_ns(self, /, *states: str, **args: Any) -> am.Result:
        """Deactivate states without an answer; see `add_ns`."""
        return self._mutate_one_way(REMOVE, states, args)

    def add_err(
        self, error: BaseException | str | None, exc: BaseException | None = None, /, **args: Any
    ) -> am.Result:
        """Record an error here as `err` and add `Exception` at the source.

        With a state name first that state is added too. The source sees an `am_rpc.RemoteError`
        with the error's type name and message; no trace is sent.
        """
        states: tuple[str, ...] = ("Exception",)
        if isinstance(error, str):
            states, error = (error, "Exception"), exc
        if error is None or isinstance(error, trio.Cancelled):
            return am.CANCELED
        self.err = error
        indexes = self._wire_indexes(states)
        # The error itself stays here, whatever it is called in the args.
        args.pop("err", None)
        plain = encode_args(args, self.uplink.agreed) if args else args
        text = str(error)[:4096]
        message = AddErr(
            indexes, type(error).__name__[:256], text, None, plain, self.uplink.origin()
        )
        if self.disposed:
            return am.CANCELED
        result = NetResult()
        if not self.uplink.submit_error(message, result):
            result.settle(am.CANCELED, self.uplink.refusal())
        return result

    def _mutate(self, method: str, states: tuple[str, ...], args: dict[str, Any]) -> am.Result:
        client = self.uplink
        indexes = self._wire_indexes(states)
        if self._args_schema is not None:
            args = self._typed_args(self._args_schema, method, states, args)
        if args:
            args = encode_args(args, client.agreed)
        if client.filter_mutations and self._is_excluded(method, states):
            return am.CANCELED
        if self.disposed:
            return am.CANCELED
        result = NetResult()
        if not client.submit(method, indexes, args, result, client.origin()):
            result.settle(am.CANCELED, client.refusal())
        return result

    def _mutate_one_way(
        self, method: str, states: tuple[str, ...], args: dict[str, Any]
    ) -> am.Result:
        if self._client is None:
            return self._mutate(method, states, args)
        indexes = self._wire_indexes(states)
        if self._args_schema is not None:
            args = self._typed_args(self._args_schema, method, states, args)
        if args:
            args = encode_args(args, self.uplink.agreed)
        if self.disposed:
            return am.CANCELED
        if self.uplink.submit_one_way(method, indexes, args):
            return am.EXECUTED
        result = NetResult()
        result.settle(am.CANCELED, self.uplink.refusal())
        return result

    def _wire_indexes(self, states: tuple[str, ...]) -> tuple[int, ...]:
        self.check_thread()
        try:
            return self._known_indexes[states]
        except (KeyError, TypeError):
            indexes = self.schema.indexes(states, self.id)
        for index in indexes:
            if index >= self._wire_states:
                raise am.UnknownStateError(self.schema.names[index], self.id)
        if len(self._known_indexes) < _KNOWN:
            self._known_indexes[states] = indexes
        return indexes

    def _typed_args(
        self, schema: am.Schema, method: str, states: tuple[str, ...], args: dict[str, Any]
    ) -> dict[str, Any]:
        """Check args against the classes of the called states; return their plain form."""
        indexes = schema.indexes([state for state in states if state in schema])
        if method in (ADD, SET):
            am.check_args(schema, indexes, args)
        return dump_args(schema, indexes, args) if args else args

    def _is_excluded(self, method: str, states: tuple[str, ...]) -> bool:
        if method not in (ADD, REMOVE) or not self.has_schema:
            return False
        return not self.schema.resolve(_KINDS[method], states, self.active).accepted

    # Checks.

    def can_add(self, /, *states: str, **args: Any) -> am.Result:
        """Tell what the relations say: `CANCELED` is final, `EXECUTED` means not excluded."""
        return self._can(ADD, states)

    def can_remove(self, /, *states: str, **args: Any) -> am.Result:
        """Tell what the relations say; see `can_add`."""
        return self._can(REMOVE, states)

    def _can(self, method: str, states: tuple[str, ...]) -> am.Result:
        self.schema.indexes(states, self.id)
        return am.CANCELED if self._is_excluded(method, states) else am.EXECUTED

    async def check_add(self, /, *states: str, **args: Any) -> am.Result:
        """Ask the source, whose negotiation handlers decide; nothing changes.

        Raises:
            EncodeError: an arg has no wire form, or is too large.
            NetworkError: there is no answer.
            NoAccess: the server does not allow checks.
        """
        return await self._check(0, states, args)

    async def check_remove(self, /, *states: str, **args: Any) -> am.Result:
        """Ask the source; see `check_add`."""
        return await self._check(1, states, args)

    async def explain_remote(self, /, *states: str, kind: str = "add") -> tuple[str, ...]:
        """Ask the source why a mutation of these states would come out as it does now.

        `explain` and `why` on a replica know relations only; the source also knows its queue, its
        life, and which handler was against the same mutation when it was tried last. States that
        this client may not follow are `?`. Always a checkpoint; nothing changes.

        Raises:
            am.UnknownStateError: a name is not a state.
            ValueError: `kind` is none of add, remove, set.
            NoAccess: the server does not allow checks.
            NetworkError: there is no answer.
            ReadOnlyMachine: there is no connection.
        """
        if kind not in _EXPLAINED:
            raise ValueError(f"{kind!r} is not add, remove or set")
        indexes = self._wire_indexes(states)
        lines: tuple[str, ...] = await self.uplink.call(m.Explain(_EXPLAINED.index(kind), indexes))
        return lines

    @property
    def has_client(self) -> bool:
        """Tell whether it has a way to its source, connected or not."""
        return self._client is not None

    async def _check(self, kind: int, states: tuple[str, ...], args: dict[str, Any]) -> am.Result:
        indexes = self._wire_indexes(states)
        plain = self._call_args(states, args)
        accepted = await self.uplink.call(m.Check(kind, indexes, plain))
        return am.EXECUTED if accepted else am.CANCELED

    def _call_args(self, states: tuple[str, ...], args: dict[str, Any]) -> dict[str, Any]:
        if not args:
            return args
        schema = self._args_schema
        if schema is not None:
            known = [state for state in states if state in schema]
            args = dump_args(schema, schema.indexes(known), args)
        plain = encode_args(args, self.uplink.agreed)
        self.uplink.check_args(plain)
        return plain

    async def sync(self) -> am.Time:
        """Fetch the full clock and return it.

        Raises:
            NetworkError: there is no answer.
        """
        await self.uplink.sync()
        return self.time()

    async def flush(self) -> None:
        """Wait until every mutation made before was settled; always a checkpoint."""
        await self.uplink.flush()

    # The local queue: mutations that are not settled.

    @property
    def queue(self) -> tuple[am.Mutation, ...]:
        """Mutations on their way, oldest first."""
        schema = self.schema
        return tuple(
            am.Mutation(schema, _KINDS.get(entry.method, "add"), entry.states, entry.args)
            for entry in self.uplink.outbox
            if entry.method != TOGGLE
        )

    def is_queued(
        self,
        kind: str,
        *states: str,
        without_args: bool = False,
        exact: bool = False,
        min_tick: int = 0,
        check: bool = False,
        position: str = "any",
    ) -> bool:
        """Tell whether such a mutation is on its way; as on a local machine.

        Mutations on their way have no queue tick, so `min_tick` above 0 finds none, nor does
        `check`.
        """
        if kind not in ("add", "remove", "set"):
            raise ValueError(f"{kind!r} is not add, remove or set")
        if position not in ("any", "first", "last"):
            raise ValueError(f"position {position!r} is not any, first or last")
        if check or min_tick > 0:
            return False
        wanted = frozenset(self.schema.indexes(states, self.id))
        queue = self.queue
        pending = {"any": queue, "first": queue[:1], "last": queue[-1:]}[position]
        return any(
            mutation.kind == kind
            and (frozenset(mutation.indexes) == wanted if exact else wanted <= {*mutation.indexes})
            and not (without_args and mutation.args)
            for mutation in pending
        )

    def will_be(self, *states: str) -> bool:
        """Tell whether an add of these states is on its way."""
        return self.is_queued("add", *states)

    def will_be_removed(self, *states: str) -> bool:
        """Tell whether a remove of these states is on its way."""
        return self.is_queued("remove", *states)

    def when_queue(self, result: am.Result) -> am.Wait:
        """Wait until a mutation settled, either way."""
        wait = am.Wait("queue")
        if result.outcome is not None or not isinstance(result, NetResult):
            wait.resolve(True)
        else:
            known = ref(wait)
            result.on_settled(lambda: _resolve(known, not self.disposed))
        return wait

    def when_queue_ends(self) -> am.Wait:
        """Wait until no mutation is on its way."""
        wait = am.Wait("queue ends")
        known = ref(wait)
        self.uplink.when_idle(lambda: _resolve(known, not self.disposed))
        return wait

    # Waits that need the source.

    def when_args(self, state: str, /, **args: Any) -> am.Wait:
        """Wait until the source enters a state with these args; the source compares.

        The subscription is sent behind the scenes, and again after a reconnect.

        Raises:
            am.UnknownStateError: the name is not a state.
            EncodeError: an arg has no wire form, or the server would not take it; it names the
                argument, and the limit.
            ReadOnlyMachine: there is no connection.
        """
        (index,) = self._wire_indexes((state,))
        if self._client is None:
            raise ReadOnlyMachine(f"{self.id} has no connection to its source, which sees args")
        plain = self._call_args((state,), args)
        label = f"{state} ({','.join(args)})"
        if self.disposed:
            return am.Wait(label, False)
        return self._wait(self.subscriptions.add(label, index, plain))

    # Where the source is.

    @property
    def is_cut_off(self) -> bool:
        """Tell whether the client has ended, so that nothing comes until it starts again."""
        return self.uplink.is_cut_off

    @property
    def boot(self) -> bytes | None:
        """Boot id of the source."""
        return self.uplink.boot

    @property
    def hops(self) -> int:
        """How many servers lie between here and the source."""
        return self.uplink.hops


def _resolve(known: ref[am.Wait], value: bool) -> None:
    wait = known()
    if wait is not None:
        wait.resolve(value)
