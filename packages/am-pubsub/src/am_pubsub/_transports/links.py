"""The default transport: am-rpc connections over TCP, unix sockets, TLS or websockets.

Each connection serves one machine whose only state, `Gossip`, takes messages from the end that
dialled; what goes the other way are payloads. Authentication, limits, heartbeats and hostile
input are am-rpc's affair.
"""

from __future__ import annotations

import ssl
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

import trio

import am_machine as am
import am_rpc

from .._errors import ListenError
from . import local_host
from .base import Arrived, DialFailed, LinkDown, LinkUp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from typing import TypeAlias

    from .base import Channel, Inbox

    Secret: TypeAlias = bytes | am_rpc.Key | Sequence[bytes | am_rpc.Key]

_CONNECT_TIMEOUT = 3.0
_LOOKS = 100
_LAST_WORDS = 1.0
"""Seconds that a link which is closed gets to send what was queued."""


class _LinkStates(am_rpc.StateSource):
    Gossip = am.State(multi=True, doc="A message of the end that dialled.")


class _Taking(am_rpc.Consumer):
    pass


# What a topic may say at once (`send_burst`) fits twice into what waits for its way back.
_LIMITS = am_rpc.Limits(heartbeat=3, dead=9, undelivered=512)
_ONCE = am_rpc.Retry(connect_tries=1, connect_timeout=_CONNECT_TIMEOUT, reconnect=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Connections of am-rpc.

    `listen` is the address of am-rpc to listen on, None to dial only. `advertise` are the addresses
    that others are told, by default the one listened on; where that is all addresses of this host
    (`0.0.0.0`, `[::]`), the one of the first link and the one that leads out. `secret` is what all
    members share; `ssl_context` is for listening, `peer_context` for dialling. An address that
    other hosts reach needs a secret or client certificates (am-rpc's rule).
    """

    listen: str | None = "127.0.0.1:0"
    advertise: tuple[str, ...] = ()
    secret: Secret | None = None
    ssl_context: ssl.SSLContext | None = None
    peer_context: ssl.SSLContext | None = None
    limits: am_rpc.Limits = _LIMITS
    _open: dict[_Endpoint, None] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    async def rotate(self, secret: Secret) -> None:
        """Take another secret from now on, for all topics that it carries; see `Topic.rotate`.

        :raises ValueError: if there is none, or an empty one.
        """
        for endpoint in [*self._open]:
            await endpoint.rotate(secret)

    @asynccontextmanager
    async def join(self, topic: str, inbox: Inbox) -> AsyncIterator[Channel]:
        """Carry a topic.

        :raises ListenError: if the address cannot be listened on.
        :raises ValueError: if it is none, or one that others reach without protection.
        """
        endpoint = _Endpoint(self, inbox)
        async with AsyncExitStack() as stack:
            if self.listen is not None:
                mux = self._mux(self.listen, topic, endpoint)
                try:
                    await stack.enter_async_context(mux)
                except am_rpc.NetworkError as error:
                    raise ListenError(f"{self.listen} cannot be listened on: {error}") from error
                endpoint.mux = mux
                endpoint.addresses = self.advertise or (mux.addr,)
                await endpoint.replace_wildcard()
            async with trio.open_nursery() as endpoint.nursery:
                self._open[endpoint] = None
                try:
                    yield endpoint
                finally:
                    del self._open[endpoint]
                    await endpoint.last_words()
                    endpoint.nursery.cancel_scope.cancel()

    def _mux(self, listen: str, topic: str, endpoint: _Endpoint) -> am_rpc.Mux:
        return am_rpc.Mux(
            None,
            listen,
            new_server=endpoint.accept,
            strict=True,
            access=am_rpc.Access(read=frozenset(), write=frozenset({"Gossip"})),
            secret=self.secret,
            ssl_context=self.ssl_context,
            limits=self.limits,
            name=f"ps-{topic}",
        )


class _Out:
    """How one link sends and closes."""

    def __init__(self, send: Callable[[bytes], object], close: Callable[[], object]) -> None:
        self.send = send
        self.close = close


class _Endpoint:
    """The links of one peer."""

    is_bus = False

    nursery: trio.Nursery

    def __init__(self, options: Links, inbox: Inbox) -> None:
        self.addresses: tuple[str, ...] = ()
        self.mux: am_rpc.Mux | None = None
        self._wildcard: tuple[str, str] | None = None
        self._options = options
        self._secret = options.secret
        self._inbox = inbox
        self._numbers = count(1)
        self._out: dict[int, _Out] = {}

    # -- what the topic calls

    def dial(self, address: str) -> None:
        """Connect."""
        self.nursery.start_soon(self._dial, address)

    def send(self, link: int, data: bytes) -> None:
        """Queue one message; a link whose queue is full is closed."""
        out = self._out.get(link)
        if out is None:
            return
        try:
            out.send(data)
        except am_rpc.RpcError:
            self._down(link)
            out.close()

    def close(self, link: int) -> None:
        """Close a link after what was queued for it."""
        out = self._out.pop(link, None)
        if out is not None:
            out.close()

    async def rotate(self, secret: Secret) -> None:
        """Offer and take another secret from now on."""
        self._secret = secret
        if self.mux is not None:
            await self.mux.rotate(secret)

    async def replace_wildcard(self) -> None:
        """Let others be told where this host is, not that it listens on all its addresses."""
        there = local_host.split(self.addresses[0])
        if there is not None and local_host.is_wildcard(there[0]):
            self._wildcard = (self.addresses[0], there[0])
            outward = await local_host.outward()
            self.addresses = (local_host.with_host(*self._wildcard, outward),)

    def _is_here(self, host: str | None) -> None:
        """Take note of an address of this host that a link has."""
        if self._wildcard is not None and host is not None and not local_host.is_loopback(host):
            address = local_host.with_host(*self._wildcard, host)
            self.addresses = (address, *(one for one in self.addresses if one != address))

    async def last_words(self) -> None:
        """Let what was queued leave, for a moment."""
        with trio.CancelScope(shield=True, deadline=trio.current_time() + _LAST_WORDS):
            for link in [*self._out]:
                self.close(link)
            for _ in range(_LOOKS):
                if not self.nursery.child_tasks:
                    break
                await trio.sleep(_LAST_WORDS / _LOOKS)

    # -- links that this end dialled

    async def _dial(self, address: str) -> None:
        options = self._options
        link = next(self._numbers)
        consumer = am.Machine(_Taking, id=f"ps-in-{link}", tags=("am:inner",))
        consumer.bind({"ServerPayloadState": lambda event: self._take(link, event.args["data"])})
        closing = trio.Event()
        try:
            client = am_rpc.Client(
                address,
                _LinkStates,
                consumer=consumer,
                retry=_ONCE,
                limits=options.limits,
                secret=self._secret,
                ssl_context=options.peer_context,
            )
            async with client:
                net = await client.ready(_CONNECT_TIMEOUT)
                if self._wildcard is not None:
                    self._is_here(await local_host.towards(address))
                self._out[link] = _Out(
                    lambda data: _must(net.add_ns("Gossip", data=data)), closing.set
                )
                self._inbox.send_nowait(LinkUp(link, address))
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._wait_for_end, client, link, closing)
                    await closing.wait()
                    with trio.move_on_after(_LAST_WORDS):
                        await net.flush()
                    nursery.cancel_scope.cancel()
        except am_rpc.NoAccess:
            self._failed(link, address, "it refuses this secret, or wants one", is_refusal=True)
        except am_rpc.VersionMismatch:
            self._failed(link, address, "it speaks another version of am-rpc", is_refusal=True)
        except ValueError as error:
            self._failed(link, address, str(error), is_refusal=True)
        except (am_rpc.RpcError, OSError) as error:
            reason = f"{type(error).__name__}: {error}"
            self._failed(link, address, reason, is_refusal=_is_distrust(error))
        finally:
            self._down(link)
            consumer.dispose()

    def _failed(self, link: int, address: str, reason: str, *, is_refusal: bool = False) -> None:
        if link not in self._out:
            self._inbox.send_nowait(DialFailed(address, reason, is_refusal))

    async def _wait_for_end(self, client: am_rpc.Client, link: int, closing: trio.Event) -> None:
        await client.mach.when_not("HandshakeDone")
        self._down(link)
        closing.set()

    # -- links that others dialled

    def accept(self, mux: am_rpc.Mux, number: int, stream: trio.abc.Stream) -> am_rpc.Server:
        """Return what serves a connection."""
        link = next(self._numbers)
        source = am.Machine(_LinkStates, id=f"ps-link-{link}", tags=("am:inner",))
        source.bind({"GossipState": lambda event: self._take(link, event.args["data"])})
        server = am_rpc.Server(source, stream=stream, serving=mux.serving, name=source.id)
        server.mach.bind(_Accepted(self, link, server, local_host.of_stream(stream)))
        server.mach.on_dispose(lambda machine: source.dispose())
        return server

    def accepted(self, link: int, server: am_rpc.Server, host: str | None) -> None:
        """Take a link that another end dialled, once it has shown who it is."""
        self._is_here(host)
        self._out[link] = _Out(
            lambda data: server.post_payload("gossip", data),
            lambda: self.nursery.start_soon(self._end_server, server),
        )
        self._inbox.send_nowait(LinkUp(link, None))

    def ended(self, link: int) -> None:
        """Take the end of a link that another end dialled."""
        self._down(link)

    async def _end_server(self, server: am_rpc.Server) -> None:
        # What was posted before is ahead of the goodbye.
        with trio.move_on_after(_LAST_WORDS):
            await server.disconnect()

    def _take(self, link: int, data: Any) -> None:
        if type(data) is bytes:
            self._inbox.send_nowait(Arrived(link, data))

    def _down(self, link: int) -> None:
        if self._out.pop(link, None) is not None:
            self._inbox.send_nowait(LinkDown(link))


class _Accepted:
    """Handlers of a server's machine."""

    def __init__(
        self, endpoint: _Endpoint, link: int, server: am_rpc.Server, host: str | None
    ) -> None:
        self._endpoint = endpoint
        self._host = host
        self._link = link
        self._server = server

    def HandshakeDoneState(self, event: am.Event) -> None:
        """The other end may speak."""
        self._endpoint.accepted(self._link, self._server, self._host)

    def HandshakeDoneEnd(self, event: am.Event) -> None:
        """The other end is gone."""
        self._endpoint.ended(self._link)


def _is_distrust(error: BaseException | None) -> bool:
    """Tell whether the certificate there was refused: trying again is not what helps."""
    while error is not None and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__
    return error is not None


def _must(result: am.Result) -> None:
    """Raise the error of a mutation that was refused at once."""
    if result.canceled:
        raise am_rpc.NetworkError("the link takes no more")
