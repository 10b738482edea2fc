"""Values of machines in the form in which they travel, for other wires than that of am-rpc.

Nothing here opens a connection: bytes and plain data in, bytes and schemas out.
"""

from __future__ import annotations

from typing import Any

from ._options import Limits
from ._wire.codec import pack as pack
from ._wire.codec import unpack as _unpack
from ._wire.schema import schema_from_wire as schema_from_wire
from ._wire.schema import schema_hash as schema_hash
from ._wire.schema import schema_to_wire as schema_to_wire

__all__ = ["pack", "schema_from_wire", "schema_hash", "schema_to_wire", "unpack"]


def unpack(data: bytes | bytearray, *, limits: Limits = Limits()) -> Any:  # noqa: B008 - frozen
    """Return the value that `data` holds, at most as large as a server takes by `limits`.

    :raises LimitExceeded: if it is larger, or nested deeper.
    :raises ProtocolError: if it is not one whole value of the allowed types.
    """
    return _unpack(data, limits)
