"""Reading addresses as this package needs them: which host, and who can reach it."""

from __future__ import annotations

import ipaddress

# Characters of an address that somebody else gave.
MAX_ADDR = 256
_WILDCARDS = frozenset({"0.0.0.0", "::"})


def host_port(addr: str) -> tuple[str, int]:
    """The parts of ``host:port``; an IPv6 address stands in brackets.

    :raises ValueError: if it is no such address.
    """
    host, colon, port = addr.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    bare = host[1:-1] if bracketed else host
    if not colon or not bare or (":" in bare) != bracketed:
        raise ValueError(f"{addr!r} is not host:port")
    if not (port.isascii() and port.isdigit() and int(port) < 65_536):
        raise ValueError(f"{addr!r} has no port")
    return bare, int(port)


def host_of(addr: str) -> str:
    """The host of any address that am-rpc knows; a unix socket is on this one.

    :raises ValueError: if it has none.
    """
    if addr.startswith("unix:"):
        return "127.0.0.1"
    scheme, separator, rest = addr.partition("://")
    if not separator:
        return host_port(addr)[0]
    if scheme not in {"ws", "wss"}:
        raise ValueError(f"{addr!r} is no address")
    place = rest.partition("/")[0]
    has_port = place.rpartition(":")[2].isdigit() and not place.endswith("]")
    return host_port(place if has_port else f"{place}:0")[0]


def check_address(addr: object) -> str:
    """Return an address that came from elsewhere, once it is known to be one.

    :raises ValueError: if it is none: its port, its path, or its kind.
    """
    if not isinstance(addr, str) or len(addr) > MAX_ADDR or not addr.isprintable():
        raise ValueError(f"{str(addr)[:MAX_ADDR]!r} is no address")
    if addr.startswith("unix:"):
        if not addr.removeprefix("unix:"):
            raise ValueError(f"no path in address {addr!r}")
    else:
        host_of(addr)
        if "://" not in addr and not host_port(addr)[1]:
            raise ValueError(f"{addr!r} has no port to connect to")
    return addr


def join(host: str, port: int) -> str:
    """The address made of both."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_local(addr: str) -> bool:
    """Whether only this host can reach it: a unix socket, or the loopback interface.

    :raises ValueError: if it is no address.
    """
    host = host_of(addr)
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name, which may mean anything
        return False


def is_wildcard(addr: str) -> bool:
    """Whether it stands for every interface of its host, so that nobody can connect to it."""
    return addr.rpartition(":")[0].strip("[]") in _WILDCARDS


def reachable(addr: str, host: str) -> str:
    """`addr` for those who know its machine as `host`: a wildcard is replaced by that."""
    return join(host, host_port(addr)[1]) if is_wildcard(addr) else addr
