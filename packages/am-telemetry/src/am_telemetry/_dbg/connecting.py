"""Finding the debugger: its addresses one after another, then a pause that grows."""

from __future__ import annotations

import random
import socket
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

from .stream import open_socket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .addresses import Address

FIRST_PAUSE, LONGEST_PAUSE, JITTER = 0.1, 10.0, 0.2
"""Seconds between two attempts: doubling, give or take a fifth."""


class Place(NamedTuple):
    """Where a socket may connect to."""

    family: int
    address: Any
    hostname: str | None
    """What a certificate has to say; None for a path."""


class Opened(NamedTuple):
    """A socket that begins to connect."""

    sock: socket.socket
    hostname: str | None


class Dialer:
    """Goes through the addresses of a debugger. In the hub's thread.

    Each of `begin`, `next` and `poll` returns a socket that begins to connect. None means that a
    host is looked up, in which case `poll` tells later, or that nothing is left to try.
    """

    def __init__(self, addresses: Callable[[], Sequence[Address]]) -> None:
        self.next_try = 0.0
        """When to begin again, by the monotonic clock."""
        self._addresses = addresses
        self._left: list[Address] = []
        self._look_up: LookUp | None = None
        self._pause = FIRST_PAUSE

    @property
    def is_looking_up(self) -> bool:
        """Whether the name of a host is being looked up."""
        return self._look_up is not None

    def begin(self) -> Opened | None:
        """Begin with the first address."""
        self._left = list(self._addresses())
        return self.next()

    def next(self) -> Opened | None:
        """Go on with the next address; a look-up that goes on is not waited for any more."""
        self._look_up = None
        while self._left:
            address = self._left.pop(0)
            places = known_places(address)
            if places is None:
                self._look_up = LookUp(address)
                return None
            if opened := open_first(places):
                return opened
        return None

    def poll(self) -> Opened | None:
        """Go on with what a look-up has found, once it has."""
        if self._look_up is None or self._look_up.found is None:
            return None
        return open_first(self._look_up.found) or self.next()

    def rest(self) -> None:
        """All came to nothing: `next_try` is when to begin again."""
        self._look_up = None
        spread = 1 + random.uniform(-JITTER, JITTER)
        self.next_try = monotonic() + self._pause * spread
        self._pause = min(self._pause * 2, LONGEST_PAUSE)

    def succeeded(self) -> None:
        """The next pause is a short one."""
        self._pause = FIRST_PAUSE

    def reset(self) -> None:
        """Begin again without a pause."""
        self._look_up = None
        self._pause, self.next_try = FIRST_PAUSE, 0.0


def known_places(address: Address) -> list[Place] | None:
    """Return where an address is, if this system has such sockets; None if a name is to look up."""
    if address.path is not None:
        family = getattr(socket, "AF_UNIX", None)
        return [] if family is None else [Place(family, address.path, None)]
    if is_numeric(address.host):
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        return [Place(family, (address.host, address.port), address.host)]
    return None


def open_first(places: Iterable[Place]) -> Opened | None:
    """Begin to connect to the first place that lets one."""
    for place in places:
        try:
            return Opened(open_socket(place.family, place.address), place.hostname)
        except OSError:
            continue
    return None


def is_numeric(host: str) -> bool:
    """Whether a host is an address already, so that nobody has to be asked."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except (OSError, ValueError):
            continue
        return True
    return False


class LookUp:
    """Looks up a host in a thread that nobody waits for, since that cannot be hurried."""

    def __init__(self, address: Address) -> None:
        self.found: list[Place] | None = None
        """Places to connect to, none if there is no such host; None until it is over."""
        self._address = address
        threading.Thread(target=self._run, name="am-telemetry look-up", daemon=True).start()

    def _run(self) -> None:
        address = self._address
        try:
            infos = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            infos = []
        self.found = [Place(family, place, address.host) for family, _, _, _, place in infos]
