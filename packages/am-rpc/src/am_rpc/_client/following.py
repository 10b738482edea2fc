"""What a client knows of its source: the replica, and how welcomes bring it up to date."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final

import trio

import am_machine as am

from .._errors import NotConnected, RpcError
from .._options import Sync
from .._stats import Stats
from .._wire.agreed_limits import OF_CLIENT, OF_SERVER, agreed, parse_told, told
from .._wire.delta_encoder import tracked_indexes
from .._wire.messages import Behind, Hello
from .._wire.mutation_messages import Origin
from .._wire.payload_chunks import SeenTokens
from .._wire.schema import schema_from_wire, schema_hash
from .calls import Calls
from .handshake import accept, shake_hands
from .passing import Passing

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._options import Limits, Retry
    from .._transport.driver import Connection
    from .._wire.handshake_messages import Shape, Welcome
    from .._wire.keys import Credentials
    from .network_machine import NetworkMachine
    from .passing import Taker

# Names of states that a hello lists one by one; more than these come joined, for a server takes
# only short arrays of who it does not know yet.
_LISTED: Final = 64
# Ids are 32 bits wide; a new session begins well before they run out.
_LAST_ID: Final = 2**31


class Following(Calls):
    """A client as far as it follows its source.

    Args:
        id: client id.
        own: the schema that the source must have, if the user gave one.
        sync: what to follow.
        limits, retry: as of the client.
        machine: id of the machine that is asked for, where there are several.
        resend_unknown: whether mutations of a lost session are sent again.
    """

    credentials: Credentials

    def __init__(
        self,
        id: str,
        own: am.Schema | None,
        sync: Sync,
        limits: Limits,
        retry: Retry,
        *,
        resend_unknown: bool,
        machine: str | None = None,
    ) -> None:
        super().__init__(limits, retry, Stats())
        self.id = id
        self._own = own
        self.machine = machine
        self.sync_options = sync
        self._resend_unknown = resend_unknown
        self._net: NetworkMachine | None = None
        self._boot: bytes | None = None
        self._trace = False
        self._hops = 0
        self._nonce = secrets.token_bytes(8)
        self.seen_tokens = SeenTokens(limits.tokens)
        self._touch: list[Callable[[bool], None]] = []
        self.passing = Passing()
        # How far the end of the last usable connection may be due to what was sent on it.
        self.blame = 0

    @property
    def net(self) -> NetworkMachine:
        """The replica. It exists from the first welcome on and lives as long as the client.

        Raises:
            NotConnected: there was no welcome yet; `await client.ready()` first.
        """
        if self._net is None:
            raise NotConnected("no server has answered yet: await client.ready()")
        return self._net

    @property
    def boot(self) -> bytes | None:
        """Boot id of the source, new when it was replaced."""
        return self._boot

    @property
    def in_touch(self) -> bool:
        """Tell whether there is a connection, and whether the server has its source."""
        return self.link is not None and not self.mach.is_("SourceStale")

    @property
    def hops(self) -> int:
        """How many servers lie between here and the source."""
        return self._hops

    # A welcome.

    async def shake_hands(self, connection: Connection) -> NetworkMachine:
        if self.last_id >= _LAST_ID and not len(self.outbox):
            self._nonce = secrets.token_bytes(8)
            self.restart_ids()
        own = self._known_schema()
        hello = Hello(
            self.mach.id,
            self._nonce,
            hash=schema_hash(own) if own is not None else None,
            sync=self._wire_sync(),
            kid=self.credentials.key_id,
            last=self._boot,
            lim=told(self.limits, OF_CLIENT) or None,
            to=self.machine,
        )
        welcome = await shake_hands(connection, self, hello)
        schema = self._schema_of(welcome.shape)
        await accept(connection, self)
        return await self._take(welcome, schema)

    def _known_schema(self) -> am.Schema | None:
        if not self.sync_options.schema:
            return None
        return self._net.schema if self._net is not None else self._own

    def _wire_sync(self) -> dict[str, Any] | None:
        sync = self.sync_options
        if sync == Sync():
            return None
        return {
            "schema": sync.schema,
            "allowed": None if sync.allowed is None else _joined(sync.allowed),
            "skipped": _joined(sync.skipped),
            "shallow": sync.shallow,
            "mutations": sync.mutations,
            "queue": sync.queue,
        }

    def _schema_of(self, shape: Shape) -> am.Schema:
        """Return the schema that a server described; raise `RpcError` if it is not fit."""
        if not self.sync_options.schema:
            schema = am.Schema({name: {} for name in shape.names})
        elif shape.schema is not None:
            schema = schema_from_wire(shape.schema)
        else:
            known = self._known_schema()
            if known is None or known.names != shape.names:
                raise RpcError("the server sent no schema")
            schema = known
        if self._own is not None:
            wanted = tracked_indexes(self._own.names, self.sync_options, None)
            missing = {self._own.names[i] for i in wanted} - set(schema.names)
            if missing:
                raise RpcError(f"the source has no states {' '.join(sorted(missing))}")
        return schema

    async def _take(self, welcome: Welcome, schema: am.Schema) -> NetworkMachine:
        """Bring the replica up to the welcome, making it if this is the first one."""
        vector = welcome.shape.vector
        net = self._net
        replaced = False
        if net is None:
            net = self._net = self.new_net(welcome, schema)
            opened = trio.Event()
            self.mach.fork(self._host, net, opened)
            await opened.wait()
        else:
            replaced = welcome.boot != self._boot or net.went_back(vector)
            net.reshape(schema, welcome.shape.untracked)
            net.remote_id, net.remote_parent = welcome.id, welcome.parent
        self.agree(agreed(self.limits, parse_told(welcome.limits, OF_SERVER), OF_SERVER))
        self._boot, self._trace, self._hops = welcome.boot, welcome.trace, welcome.hops
        if replaced:
            # Those who serve the replica let go before its clock jumps.
            self.tell_touch(True)
        net.adopt(vector, replaced=replaced)
        if replaced:
            self.mach.add("SourceReplaced")
        self._sort_out(welcome)
        return net

    def new_net(self, welcome: Welcome, schema: am.Schema) -> NetworkMachine:
        """Return the replica that the first welcome calls for."""
        raise NotImplementedError

    @staticmethod
    async def _host(net: NetworkMachine, opened: trio.Event) -> None:
        async with net:
            opened.set()
            await net.when_disposed()

    def _sort_out(self, welcome: Welcome) -> None:
        """Decide what becomes of mutations from before this connection."""
        if not welcome.resume:
            # A new session counts its payloads anew.
            self.seen_tokens = SeenTokens(self.limits.tokens)
            self.passing.forget()
        if not welcome.resume and not self._resend_unknown:
            self.lose_written()
            return
        self.stats.resumes += welcome.resume
        last = welcome.last if welcome.resume else 0
        given_up = self.outbox.resume(last, self.blame)
        if given_up is not None:
            names = self.net.schema.names
            self.disown(given_up, " ".join([names[index] for index in given_up.states]))
        self.outbox_shrank()

    def grow(self, shape: Shape) -> None:
        """The source has more states."""
        schema = self._schema_of(shape)
        self.net.reshape(schema, shape.untracked)
        self.net.adopt(shape.vector)

    # Is the source in touch?

    def source_touched(self, alive: bool) -> None:
        """The server has found, or lost, its own source."""
        if alive:
            self.mach.remove("SourceStale")
        else:
            self.mach.add("SourceStale")
        self.tell_touch(alive)

    def on_touch(self, callback: Callable[[bool], None]) -> Callable[[], None]:
        """Call back when the source is in touch again or lost; return how to stop that."""
        self._touch.append(callback)
        return lambda: self._touch.remove(callback) if callback in self._touch else None

    def pass_payloads(self, taker: Taker) -> Callable[[], None]:
        """Offer payloads to somebody who serves `net`; return how to stop that."""
        return self.passing.add(taker)

    def reaches(self, client_id: str, is_there: bool) -> None:
        """A client is served behind this one, or no more: its payloads come this way."""
        if self.passing.note(client_id, is_there) and self.link is not None:
            self.link.notify(Behind(is_there, (client_id,)))

    def tell_touch(self, alive: bool) -> None:
        """Tell those who serve `net` whether its source is in touch."""
        for callback in tuple(self._touch):
            callback(alive)

    def origin(self) -> Origin | None:
        """Return where a mutation made now comes from, if the server wants to know."""
        source = am.current_source() if self._trace else None
        if source is None:
            return None
        return Origin(source.machine_id, source.transition_id, source.time, source.hops)


def _joined(names: tuple[str, ...]) -> tuple[str, ...] | bytes:
    return names if len(names) <= _LISTED else "\n".join(names).encode()
