"""Topics over libp2p, for where its networks are already. Needs the extra `libp2p`; experimental.

Each peer of a topic has a host of its own. A link is one of its streams, between two hosts that
proved their ids to each other (Noise); a message has its length in front, and one without content
only says that its sender lives. The topic gossips by itself, so it takes streams and not libp2p's
own gossipsub, which would bring each message to all and hold 32 of them.

The library lets what happens in a handler of its end the whole host. So nothing is raised there:
a stream that harms is reset, and counted. What waits in it without a limit is given one here.
"""

# The library is installed by the session that tests this alone.
# pyright: reportMissingImports=false
from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import trio
from libp2p import new_host
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.x25519 import create_new_key_pair as create_noise_key_pair
from libp2p.network.stream.exceptions import StreamError
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE
from libp2p.security.noise.transport import Transport as Noise
from libp2p.stream_muxer.yamux.yamux import PROTOCOL_ID as YAMUX
from libp2p.stream_muxer.yamux.yamux import Yamux
from multiaddr import Multiaddr

from .._errors import ListenError
from .base import Arrived, DialFailed, Dropped, LinkDown, LinkUp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .base import Channel, Inbox

PROTOCOL: Final = "/am-pubsub/1.0.0"
_CONNECT_TIMEOUT = 3.0
_HEARTBEAT = 3.0
"""Seconds after which a peer with nothing to say tells that it lives."""
_DEAD = 9.0
"""Seconds of silence after which a link is down."""
_QUEUE = 1024
"""Messages on their way out of one link; beyond that it is closed."""
_LAST_WORDS = 1.0
"""Seconds for what was queued to leave, and to be taken at the other end."""
_CLOSE = 1.0
"""Seconds for a host to end, after its links."""
_LENGTH = 4
_READ = 64 * 1024
_SECRET_BYTES = 32
_SEED_BYTES = 32
_LOOPBACK = ("/ip4/127.", "/ip6/::1/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Libp2p:
    """A host of libp2p for each topic; experimental.

    `listen` are the addresses to listen on, none to dial only; `advertise` those that others are
    told, by default the same. Both are written as libp2p writes them (`/ip4/10.0.0.5/tcp/4001`).
    `seed`, 32 bytes, makes the key that the host's id follows from; by default each start has a
    new one. `secret`, 32 bytes, keeps all others out (a private network of libp2p); `members` are
    the ids of the hosts that may be linked, which Noise proves. An address that other hosts reach
    needs one of both. Messages hold `message_bytes` at most, as `TopicConfig` says.

    :raises ValueError: if a seed or a secret has another size, or an address needs protection.
    """

    listen: tuple[str, ...] = ("/ip4/127.0.0.1/tcp/0",)
    advertise: tuple[str, ...] = ()
    seed: bytes | None = None
    secret: bytes | None = None
    members: frozenset[str] | None = None
    message_bytes: int = 64 * 1024

    def __post_init__(self) -> None:
        if self.seed is not None and len(self.seed) != _SEED_BYTES:
            raise ValueError(f"a seed is {_SEED_BYTES} bytes long, not {len(self.seed)}")
        if self.secret is not None and len(self.secret) != _SECRET_BYTES:
            raise ValueError(f"a secret is {_SECRET_BYTES} bytes long, not {len(self.secret)}")
        if self.secret is None and self.members is None:
            for address in self.listen:
                if not address.startswith(_LOOPBACK):
                    raise ValueError(f"{address}: other hosts reach it: set a secret or members")

    @asynccontextmanager
    async def join(self, topic: str, inbox: Inbox) -> AsyncIterator[Channel]:
        """Carry a topic.

        :raises ListenError: if an address cannot be listened on.
        """
        host, is_listening = self._host(), False
        with trio.CancelScope() as limit:
            try:
                async with host.run(_addresses(self.listen)):
                    # Whom to connect to is the topic's affair alone.
                    await host.get_network().auto_connector.stop()
                    is_listening = len(host.get_network().listeners) == len(self.listen)
                    try:
                        if is_listening:
                            async with trio.open_nursery() as nursery:
                                channel = _Channel(self, host, inbox, nursery)
                                host.set_stream_handler(PROTOCOL, channel.accept)
                                try:
                                    yield channel
                                finally:
                                    await channel.last_words()
                                    nursery.cancel_scope.cancel()
                    finally:
                        # Now it ends, whatever waits in it and whoever is in a hurry.
                        limit.shield = True
                        limit.deadline = trio.current_time() + _CLOSE
                        await host.close()
            finally:
                # Its listeners are no tasks of its own: without this they would stay.
                with trio.move_on_after(_CLOSE, shield=True):
                    await host.close()
        if not is_listening:
            raise ListenError(f"{', '.join(self.listen)} cannot be listened on")

    def _host(self) -> Any:
        keys = create_new_key_pair(self.seed)
        noise = Noise(keys, noise_privkey=create_noise_key_pair().private_key)
        return new_host(
            key_pair=keys,
            # Left to itself a host takes plain text as well.
            sec_opt={NOISE: noise},
            muxer_opt={YAMUX: Yamux},
            psk=self.secret.hex() if self.secret is not None else None,
            disable_identify_address_discovery=True,
        )


def _addresses(texts: tuple[str, ...]) -> list[Multiaddr]:
    try:
        return [Multiaddr(text) for text in texts]
    except Exception as error:
        # Which of them, the library says; it has no base of its errors.
        raise ListenError(f"no address of libp2p: {error}") from error


class _HarmfulError(Exception):
    """What no peer of a topic sends; its text is the fault, short and fixed."""


class _Channel:
    """The links of one peer."""

    is_bus = False

    def __init__(self, options: Libp2p, host: Any, inbox: Inbox, nursery: trio.Nursery) -> None:
        self._options = options
        self._host = host
        self._inbox = inbox
        self._nursery = nursery
        self._numbers = count(1)
        self._out: dict[int, trio.MemorySendChannel[bytes]] = {}
        self._carried = 0
        self._rest = trio.Event()
        self._is_over = False

    # -- what the topic calls

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where other peers can dial this one."""
        if self._options.advertise:
            id = self._host.get_id()
            return tuple(f"{address}/p2p/{id}" for address in self._options.advertise)
        return tuple(str(address) for address in self._host.get_addrs())

    def dial(self, address: str) -> None:
        """Connect, unless the hosts are connected, and open a stream."""
        self._nursery.start_soon(self._dial, address)

    def send(self, link: int, data: bytes) -> None:
        """Queue one message; where the queue is full the link is closed."""
        out = self._out.get(link)
        if out is not None:
            try:
                out.send_nowait(data)
            except trio.WouldBlock:
                self._down(link)

    def close(self, link: int) -> None:
        """Close a link after what was queued for it."""
        out = self._out.pop(link, None)
        if out is not None:
            out.close()

    async def last_words(self) -> None:
        """Close all links, and let what was queued leave, for a moment."""
        self._is_over = True
        for link in [*self._out]:
            self.close(link)
        if self._carried:
            with trio.move_on_after(_LAST_WORDS, shield=True):
                await self._rest.wait()

    # -- links

    async def _dial(self, address: str) -> None:
        link = next(self._numbers)
        try:
            info = info_from_p2p_addr(Multiaddr(address))
            with trio.fail_after(_CONNECT_TIMEOUT):
                # A host that did not answer once would not be tried for a minute.
                self._host.get_network().unblock_peer(info.peer_id)
                await self._host.connect(info)
                stream = await self._host.new_stream(info.peer_id, [PROTOCOL])
        except Exception as error:
            # The library has no base of its errors; whatever it is, nobody was reached.
            reason = f"{type(error).__name__}: {error}"
            self._inbox.send_nowait(DialFailed(address, reason))
            return
        await self._guarded(link, stream, address)

    async def accept(self, stream: Any) -> None:
        """Carry a link that another host opened; raises nothing, for the host's sake."""
        members = self._options.members
        if self._is_over or (members is not None and str(stream.muxed_conn.peer_id) not in members):
            self._dropped("no member")
            await _reset(stream)
            return
        await self._guarded(next(self._numbers), stream, None)

    async def _guarded(self, link: int, stream: Any, address: str | None) -> None:
        self._carried += 1
        try:
            await self._carry(link, stream, address)
        except Exception as error:
            # Whatever the library raises: this link ends of it, and its host does not.
            self._dropped(type(error).__name__)
        finally:
            self._down(link)
            self._carried -= 1
            if not self._carried:
                self._rest.set()
                self._rest = trio.Event()
            with trio.CancelScope(shield=True):
                await _reset(stream)

    async def _carry(self, link: int, stream: Any, address: str | None) -> None:
        self._out[link], queue = trio.open_memory_channel[bytes](_QUEUE)
        self._inbox.send_nowait(LinkUp(link, address))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._write, stream, queue)
            try:
                await self._read(link, stream)
            except _HarmfulError as error:
                self._dropped(str(error))
                nursery.cancel_scope.cancel()
            # They closed, after all that they had to say: so does this end.
            self._down(link)
            nursery.cancel_scope.deadline = trio.current_time() + _LAST_WORDS

    async def _write(self, stream: Any, queue: trio.MemoryReceiveChannel[bytes]) -> None:
        """Send what is queued, a sign of life where nothing is, and at last the end."""
        try:
            while True:
                data = b""
                with trio.move_on_after(_HEARTBEAT):
                    data = await queue.receive()
                await stream.write(len(data).to_bytes(_LENGTH, "big") + data)
        except trio.EndOfChannel:
            await stream.close_write()
        except StreamError:
            # It broke: who reads from it is told so as well.
            return

    async def _read(self, link: int, stream: Any) -> None:
        """Take messages until the other end closes, or falls silent.

        :raises _HarmfulError: if what comes is none.
        """
        buffer, data = bytearray(), b""
        while True:
            with trio.move_on_after(_DEAD) as silence:
                try:
                    data = await stream.read(_READ)
                except StreamError:
                    return
            if silence.cancelled_caught or not data:
                return
            buffer += data
            for message in self._messages(buffer):
                if link in self._out:
                    self._inbox.send_nowait(Arrived(link, message))

    def _messages(self, buffer: bytearray) -> list[bytes]:
        """Take the messages that are whole out of a buffer, but for signs of life.

        :raises _HarmfulError: if one is too large.
        """
        found: list[bytes] = []
        at = 0
        while len(buffer) >= at + _LENGTH:
            size = int.from_bytes(buffer[at : at + _LENGTH], "big")
            if size > self._options.message_bytes:
                raise _HarmfulError("too large")
            end = at + _LENGTH + size
            if len(buffer) < end:
                break
            if size:
                found.append(bytes(buffer[at + _LENGTH : end]))
            at = end
        del buffer[:at]
        return found

    def _dropped(self, reason: str) -> None:
        self._inbox.send_nowait(Dropped(f"libp2p: {reason}"))

    def _down(self, link: int) -> None:
        out = self._out.pop(link, None)
        if out is not None:
            out.close()
            self._inbox.send_nowait(LinkDown(link))


async def _reset(stream: Any) -> None:
    """End a stream, whatever state it is in; what the library makes of that is of no concern."""
    with trio.move_on_after(_LAST_WORDS):
        try:
            await stream.reset()
        except Exception:
            return
