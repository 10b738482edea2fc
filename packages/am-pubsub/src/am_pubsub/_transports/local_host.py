"""Which address of this host others can dial, where it listens on all of them."""

from __future__ import annotations

import ipaddress
from typing import Final

import trio

_DOCUMENTED: Final = (("192.0.2.1", trio.socket.AF_INET), ("2001:db8::1", trio.socket.AF_INET6))
"""Addresses that nobody has: the way to them is the way to all that is not near."""
_ANY_PORT: Final = 9


def split(address: str) -> tuple[str, int] | None:
    """Return host and port of an address of TCP or of a websocket; None for others."""
    if address.startswith("unix:"):
        return None
    rest = address.partition("://")[2] or address
    host, _, port = rest.partition("/")[0].rpartition(":")
    return (host.strip("[]"), int(port)) if port.isdecimal() else None


def is_wildcard(host: str) -> bool:
    """Tell whether a host stands for all addresses of this one."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def with_host(address: str, wildcard: str, host: str) -> str:
    """Return an address with another host in the place of a wildcard."""
    before = f"[{wildcard}]" if ":" in wildcard else wildcard
    return address.replace(before, f"[{host}]" if ":" in host else host, 1)


async def outward() -> str:
    """Return this host's address on the way to others, or its own if it has no way out.

    Asks the routing table alone: nothing is sent.
    """
    for documented, family in _DOCUMENTED:
        with trio.socket.socket(family, trio.socket.SOCK_DGRAM) as probe:
            try:
                await probe.connect((documented, _ANY_PORT))
            except OSError:
                continue
            return plain(probe.getsockname()[0])
    return "127.0.0.1"


async def towards(address: str) -> str | None:
    """Return this host's address on the way to another one; None if that is not known."""
    there = split(address)
    if there is None:
        return None
    try:
        found = await trio.socket.getaddrinfo(*there, type=trio.socket.SOCK_DGRAM)
        family, kind, number, _, where = found[0]
        with trio.socket.socket(family, kind, number) as probe:
            await probe.connect(where)
            return plain(probe.getsockname()[0])
    except OSError:
        return None


def of_stream(stream: trio.abc.Stream) -> str | None:
    """Return this host's address of a connection, whatever is wrapped around it."""
    inner: object = stream
    while (below := getattr(inner, "transport_stream", None)) is not None:
        inner = below
    if not isinstance(inner, trio.SocketStream):
        return None
    try:
        name = inner.socket.getsockname()
    except OSError:
        return None
    return plain(name[0]) if isinstance(name, tuple) else None


def plain(host: str) -> str:
    """Return an address without a zone, of IPv4 if it is one that IPv6 carries."""
    parsed = ipaddress.ip_address(host.partition("%")[0])
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)


def is_loopback(host: str) -> bool:
    """Tell whether no other host reaches an address."""
    return ipaddress.ip_address(host).is_loopback
