"""What is kept of a transition beside its columns, as bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgpack  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Callable

pack: Callable[[Any], bytes] = msgpack.Packer(autoreset=True).pack
"""Pack what was checked before; raises ValueError or TypeError for what cannot be packed."""


def unpack(data: bytes) -> Any:
    """Unpack what `pack` gave."""
    return msgpack.unpackb(data, strict_map_key=False)


def unpack_all(data: bytes) -> list[Any]:
    """Unpack values that stand one behind the other; of many this takes a fraction of the time."""
    unpacker = msgpack.Unpacker(strict_map_key=False, max_buffer_size=0)
    unpacker.feed(data)
    return list(unpacker)
