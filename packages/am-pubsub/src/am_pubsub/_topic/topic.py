"""`Topic`: this program's machines offered to peers, and theirs as replicas."""

from __future__ import annotations

import secrets
import sys
import time
from contextlib import AsyncExitStack, contextmanager
from random import Random
from typing import TYPE_CHECKING, Self

import trio

import am_machine as am
from am_rpc import RpcError
from am_rpc.wire import schema_from_wire, schema_hash

from .._config import TopicConfig
from .._gossip.core import Core
from .._gossip.offering import check_payload, check_room
from .._transports.links import Links
from .debugging import tune
from .exposed import Exposed, Watching
from .filters import Filters
from .replicas import Replicas
from .runner import Runner
from .signing import Ed25519Keys
from .states import TOLD, TopicStates
from .watching import Added, Changed, Removed, Watcher

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from types import TracebackType
    from typing import Literal, TypeAlias

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    import am_rpc

    from .._gossip.entries import Key, Record, Schema
    from .._transports.base import Transport
    from .._transports.links import Secret

    Peers: TypeAlias = Collection[str] | Callable[[str], bool]

_GOODBYE = 2.0
"""Seconds that leaving takes at most."""


def _hash(wire: Mapping[str, Mapping[str, object]]) -> bytes:
    """Return the hash of a schema as it travels.

    :raises ValueError: if it is none.
    """
    try:
        return schema_hash(schema_from_wire(wire))
    except RpcError as error:
        raise ValueError(str(error)) from error


def _keys_of(
    trust: str, key: Ed25519PrivateKey | None, peer_id: bytes | None
) -> Ed25519Keys | None:
    if trust not in ("member", "owner"):
        raise ValueError(f"trust is 'member' or 'owner', not {trust!r}")
    if (trust == "owner") != (key is not None):
        raise ValueError("trust='owner' needs a key, and a key needs trust='owner'")
    if key is None:
        return None
    keys = Ed25519Keys(key)
    if peer_id is not None and peer_id != keys.peer:
        raise ValueError("the id of a peer that signs is made of its key: leave peer_id out")
    return keys


def _accepting(allow: Peers | None, deny: Peers | None) -> Callable[[bytes], bool] | None:
    """Return what says of a peer whether it may take part; None if all may."""
    if allow is None and deny is None:
        return None
    allowed = _asking(allow) if allow is not None else lambda peer: True
    denied = _asking(deny) if deny is not None else lambda peer: False
    return lambda peer: allowed(peer.hex()) and not denied(peer.hex())


def _asking(peers: Peers) -> Callable[[str], bool]:
    if callable(peers):
        return peers
    if isinstance(peers, str):
        raise TypeError("allow and deny are several ids, not one str")
    return frozenset(peers).__contains__


class Topic:
    """A group of peers without a leader, as this peer takes part in it.

    Args:
        name: what the topic is called; peers of other names are turned away.
        machines: what is offered from the beginning; see `expose`.
        listen: address of am-rpc to listen on; by default this peer dials only.
        connect: addresses of peers to begin with; a DNS name is resolved anew at each dial.
        transport: what carries the topic, in place of connections of am-rpc; `listen`, `secret`,
            the contexts and `advertise` are then its own affair.
        secret: what all members share, or several of which each is good; see `rotate`.
        ssl_context: for listening.
        peer_context: for dialling.
        advertise: what others are told to dial, by default the address listened on.
        peer_id: eight bytes that name this peer over restarts; by default random ones.
        trust: "member": a member is believed whatever it says. "owner": each is believed only
            what it signed about itself, and all peers need a `key`.
        key: a private key of Ed25519 (`cryptography`); `peer_id` is made of it.
        allow: ids of the peers that may take part, in hexadecimal digits, or what says so of one.
        deny: ids of the peers that may not.
        parent: the machine that `mach` is made under.

    Use it with ``async with``; leaving says goodbye, within two seconds. `mach` is its machine:
    wait for `Ready` of it. All of it belongs to the thread that it was opened in.

    :raises ValueError: if `trust` and `key` do not fit, or `transport` and what is its affair.
    :raises ImportError: if there is a `key` and the extra `sign` is not installed.
    """

    def __init__(
        self,
        name: str,
        *,
        machines: Iterable[am.Machine] = (),
        listen: str | None = None,
        connect: Iterable[str] = (),
        transport: Transport | None = None,
        secret: Secret | None = None,
        ssl_context: ssl.SSLContext | None = None,
        peer_context: ssl.SSLContext | None = None,
        advertise: Iterable[str] = (),
        peer_id: bytes | None = None,
        trust: Literal["member", "owner"] = "member",
        key: Ed25519PrivateKey | None = None,
        allow: Peers | None = None,
        deny: Peers | None = None,
        config: TopicConfig = TopicConfig(),  # noqa: B008 - frozen
        parent: am.Machine | None = None,
    ) -> None:
        self.name = name
        self.config = config
        self._keys = _keys_of(trust, key, peer_id)
        if self._keys is not None:
            peer_id = self._keys.peer
        self._peer = peer_id or secrets.token_bytes(8)
        own = (listen, secret, ssl_context, peer_context, tuple(advertise) or None)
        if transport is None:
            transport = Links(
                listen=listen,
                secret=secret,
                ssl_context=ssl_context,
                peer_context=peer_context,
                advertise=tuple(advertise),
            )
        elif any(one is not None for one in own):
            raise ValueError("listen, secret, contexts and advertise are the transport's affair")
        self._transport = transport
        self._connect = tuple(connect)
        self._accepts = _accepting(allow, deny)
        tags = [f"pubsub:{name}", f"peer:{self.peer_id}"]
        self.mach = am.Machine(
            TopicStates,
            id=f"ps-{name}-{secrets.token_hex(2)}",
            tags=tags,
            parent=parent,
        )
        tune(self.mach)
        self._first = tuple(machines)
        self._exposed: dict[int, Exposed] = {}
        self._next_index = 0
        self._replicas = Replicas(self.mach)
        self._watchers: dict[Watcher, None] = {}
        self._stack = AsyncExitStack()
        self._runner: Runner | None = None

    @property
    def peer_id(self) -> str:
        """The id of this peer, in hexadecimal digits."""
        return self._peer.hex()

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where other peers can dial this one."""
        return self._open.addresses

    @property
    def stats(self) -> dict[str, int]:
        """What was sent, received and dropped so far, by kind and by reason; and what is now.

        `records`, `links`, and `known`, the addresses; `lag` is the time in milliseconds for which
        a neighbour has had news that are not here, or the reverse: 0 if all agree.
        """
        core = self._open.core
        return {**core.output.counts, **core.sizes(trio.current_time())}

    @property
    def peers(self) -> tuple[str, ...]:
        """The other peers that are there, in the order in which they were met."""
        table = self._open.core.table
        return tuple(peer.hex() for peer in table.peers() if peer != self._peer)

    @property
    def _open(self) -> Runner:
        if self._runner is None:
            raise am.NotOpenError("the topic is not open: use it with `async with`")
        return self._runner

    # -- life

    async def __aenter__(self) -> Self:
        await self._stack.__aenter__()
        try:
            await self._stack.enter_async_context(self.mach)
            core = Core(
                self.name,
                self._peer,
                int(time.time() * 1000),
                self.config,
                Random(secrets.randbits(64)),
                trio.current_time(),
                schema_hash=_hash,
                connect=self._connect,
                accepts=self._accepts,
                keys=self._keys,
            )
            self._runner = Runner(self, core, self._transport)
            self.mach.bind(self._runner)
            self.mach.add("Start")
            await self._runner.listening.wait()
            if self._runner.failure is not None:
                raise self._runner.failure
            self._expose(self.mach, (), TOLD)
            for machine in self._first:
                self._expose(machine, (), None)
        except BaseException:
            await self._stack.__aexit__(*sys.exc_info())
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        self.mach.add("Leaving")
        if self._runner is not None:
            self._runner.stop()
            with trio.CancelScope(shield=True, deadline=trio.current_time() + _GOODBYE):
                await self._runner.ended.wait()
        self.mach.remove("Start")
        return await self._stack.__aexit__(exc_type, exc, traceback)

    # -- this peer's machines

    def expose(self, machine: am.Machine, tags: Iterable[str] = ()) -> None:
        """Offer a machine, with more tags than it has itself; it is taken back when it ends.

        :raises ValueError: if it is offered already, or more than others take: see `TopicConfig`.
        """
        self._expose(machine, tuple(tags), None)

    def unexpose(self, machine: am.Machine) -> None:
        """Take a machine back: it is gone for all other peers.

        :raises ValueError: if it is not offered.
        """
        exposed = self._of(machine)
        if exposed is None or exposed.index == 0:
            raise ValueError(f"{machine.id} is not offered in {self.name}")
        self._withdraw(exposed)

    async def send(self, data: bytes) -> None:
        """Send a payload to all peers that are there now; they get `MsgReceived`.

        :raises ValueError: if it does not fit into a message; `TypeError` if it is not bytes.
        """
        check_payload(data, self.config)
        self._open.core.publish(data, trio.current_time())
        self._open.wake()
        await trio.lowlevel.checkpoint()

    async def rotate(self, secret: Secret) -> None:
        """Take another secret from now on, in place of that before; links that it opens stay.

        First give all peers the old one and the new one, then the new one and the old one (the
        first is offered to others), then the new one alone: then no peer is lost at any time.

        :raises TypeError: if the transport has no secret to change.
        """
        rotate = getattr(self._transport, "rotate", None)
        if rotate is None:
            raise TypeError(f"{type(self._transport).__name__} has no secret that could change")
        await rotate(secret)

    # -- the machines of others

    def machines(self, filters: Filters = Filters()) -> list[am_rpc.NetworkMachine]:  # noqa: B008
        """Return replicas of the machines that match, by peer and index."""
        return [self._replicas.get(record, schema) for record, schema in self._found(filters)]

    def tags(self, filters: Filters = Filters()) -> list[tuple[str, ...]]:  # noqa: B008 - frozen
        """Return the tags of the machines that match, by peer and index; makes no replica."""
        infos = [record.info for record, _ in self._found(filters)]
        return [info.tags for info in infos if info is not None]

    @contextmanager
    def watch(self, filters: Filters = Filters()) -> Iterator[Watcher]:  # noqa: B008 - frozen
        """Follow the machines that match: `async for` yields `Added`, `Changed`, `Removed`.

        Those that are there are told as added. Who is slow misses nothing of where a machine is
        in the end, but steps in between.
        """
        watcher = Watcher(filters)
        for record, schema in self._found(filters):
            watcher.matching[record.entry.key] = None
            watcher.put(record.entry.key, Added(self._replicas.get(record, schema)))
        self._watchers[watcher] = None
        try:
            yield watcher
        finally:
            del self._watchers[watcher]

    def _found(self, filters: Filters) -> list[tuple[Record, Schema]]:
        table = self._open.core.table
        found: list[tuple[Record, Schema]] = []
        for record in sorted(table, key=lambda record: record.entry.key):
            peer, index = record.entry.key
            info = record.info
            if peer == self._peer or not index or record.is_gone or info is None:
                continue
            schema = table.schemas[info.schema]
            if filters.match(record, schema, table):
                found.append((record, schema))
        return found

    # -- what the runner tells

    def record_moved(self, key: Key) -> None:
        """Take note that the record of another peer's machine is another one."""
        table = self._open.core.table
        record = table.get(key)
        info = record.info if record is not None else None
        if record is None or record.is_gone or info is None:
            self._replicas.remove(key)
            for watcher in self._watchers:
                if watcher.matching.pop(key, 0) is None:
                    watcher.put(key, Removed(key[0].hex(), key[1]))
            return
        schema = table.schemas[info.schema]
        self._replicas.update(record, schema)
        for watcher in self._watchers:
            self._tell(watcher, record, schema)

    def record_replaced(self, key: Key) -> None:
        """Take note that another machine has the place of one: its replica ends."""
        self._replicas.remove(key)

    def _tell(self, watcher: Watcher, record: Record, schema: Schema) -> None:
        key = record.entry.key
        if watcher.filters.match(record, schema, self._open.core.table):
            replica = self._replicas.get(record, schema)
            news = Changed(replica) if key in watcher.matching else Added(replica)
            watcher.matching[key] = None
            watcher.put(key, news)
        elif watcher.matching.pop(key, 0) is None:
            watcher.put(key, Removed(key[0].hex(), key[1]))

    # -- exposing

    def _of(self, machine: am.Machine) -> Exposed | None:
        return next((one for one in self._exposed.values() if one.machine is machine), None)

    def _expose(
        self, machine: am.Machine, tags: tuple[str, ...], told: frozenset[str] | None
    ) -> None:
        if self._of(machine) is not None:
            raise ValueError(f"{machine.id} is offered in {self.name} already")
        check_room(len(self._exposed), self.config)
        runner = self._open
        exposed = Exposed(machine, self._next_index, tags, told)
        runner.tell(exposed)
        self._next_index += 1
        self._exposed[exposed.index] = exposed
        exposed.tracer = Watching(
            machine,
            lambda: runner.moved(exposed),
            lambda: runner.tell(exposed),
            lambda: self._withdraw(exposed),
        )
        machine.bind_tracer(exposed.tracer)

    def _withdraw(self, exposed: Exposed) -> None:
        if self._exposed.pop(exposed.index, None) is not None:
            if exposed.tracer is not None and not exposed.machine.disposed:
                exposed.machine.detach_tracer(exposed.tracer)
            self._open.withdraw(exposed)
