"""What a receiver takes in one message, from one place for those who read and those who send.

A receiver's unpacker refuses what is too long by ending the connection, for what comes behind it
cannot be told apart. Who sent it would connect, send it again, and so on. So each bound is checked
where a call is made, too; how that is done is in `_fitting`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from .._options import Limits

# A client takes maps of as many entries as a machine may have states.
_SCHEMA: Final = 4096
# Bytes of a message beside the payload in it: its head, and names of at most 256 characters.
_AROUND: Final = 4096
# Bytes of a chunk of args beside the args: the states that its mutation names; the rest.
_STATES: Final = 16 * 1024
_CHUNK_HEAD: Final = 40


class Bounds(NamedTuple):
    """Bytes of a message and of a text in it, items of an array, keys of a map, and containers.

    `names` are those of the limits on texts, arrays, maps and containers.
    """

    message: int
    text: float
    array: int
    table: int
    containers: int
    names: tuple[str, str, str, str]

    @property
    def least(self) -> float:
        """Return how many bytes a value may have without being asked what it consists of."""
        return min(self.message, self.text, self.array, self.table, self.containers)


def bounds_of_server(limits: Limits, states: int = 0) -> Bounds:
    """Return what a server takes; with many states its arrays may be longer."""
    array = max(limits.array, 2 * states)
    names = ("text", "array", "map", "containers")
    return Bounds(limits.message, limits.text, array, limits.map, limits.containers, names)


def bounds_of_stranger(limits: Limits) -> Bounds:
    """Return what a server takes of a peer that is not known yet."""
    most, items = limits.stranger_bytes, limits.stranger_items
    names = ("stranger_bytes", "stranger_items", "stranger_items", "stranger_containers")
    return Bounds(most, most, items, items, limits.stranger_containers, names)


def bounds_of_client(limits: Limits) -> Bounds:
    """Return what a client takes in one message."""
    table = max(limits.map, _SCHEMA)
    names = ("client_text", "client_array", "map", "client_containers")
    return Bounds(
        limits.client_message,
        limits.client_text,
        limits.client_array,
        table,
        limits.client_containers,
        names,
    )


def bounds_of_chunked(limits: Limits) -> Bounds:
    """Return what a client takes of a payload that came in chunks."""
    array = limits.client_array
    names = ("payload", "client_array", "client_array", "client_containers")
    return Bounds(limits.payload, math.inf, array, array, limits.client_containers, names)


def bounds_of_large(limits: Limits) -> Bounds:
    """Return what a server takes of args that come in chunks."""
    names = ("large_args", "large_array", "large_map", "containers")
    return Bounds(
        limits.large_args, math.inf, limits.large_array, limits.large_map, limits.containers, names
    )


def args_piece(limits: Limits) -> tuple[int, int]:
    """Return how many bytes of args travel in one chunk, and how many are left for its states."""
    around = min(_STATES, limits.message // 2)
    return max(1, min(limits.chunk, limits.text, limits.message - around)), around - _CHUNK_HEAD


def piece_size(limits: Limits) -> int:
    """Return how many bytes of a payload travel in one message; what is larger is cut."""
    return max(1, min(limits.chunk, limits.client_text, limits.client_message - _AROUND))
