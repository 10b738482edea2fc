"""What each side tells the other of its limits, so that nothing is sent that ends a connection.

Only what differs from the protocol's own values travels; a peer that says nothing has those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .._errors import InvalidParams
from .._options import Limits
from .parse import mapping, uint

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# Of a server, for its clients.
OF_SERVER: Final = (
    "message", "text", "array", "map", "depth", "containers", "args", "args_depth", "args_keys",
    "arg_key", "outcomes", "large_args", "large_array", "large_map",
)  # fmt: skip
# Of a client, for its server.
OF_CLIENT: Final = (
    "client_message", "client_text", "client_array", "map", "client_containers", "depth", "payload",
)  # fmt: skip
_USUAL: Final = Limits()
# Less is not believed: who takes no more could not be talked to, or only in crumbs.
_LEAST: Final = 16
_MAY_BE_NONE: Final = frozenset(("large_args",))
_MOST_BITS: Final = 31


def told(limits: Limits, names: tuple[str, ...]) -> dict[str, int]:
    """Return what a side says of its limits."""
    usual = {name: getattr(_USUAL, name) for name in names}
    return {name: n for name in names if (n := getattr(limits, name)) != usual[name]}


def parse_told(value: Any, names: tuple[str, ...]) -> dict[str, int]:
    """Return what a peer said of its limits, or raise `InvalidParams`; names of later versions
    are passed over."""
    found = mapping(value, "lim")
    said = {name: uint(found[name], _MOST_BITS) for name in names if name in found}
    for name, most in said.items():
        if most < _LEAST and name not in _MAY_BE_NONE:
            raise InvalidParams(f"lim: {name}")
    return said


def agreed(own: Limits, said: Mapping[str, int], names: tuple[str, ...]) -> Limits:
    """Return one's own limits with those of the peer in place of what it judges."""
    usual = {name: getattr(_USUAL, name) for name in names}
    return own.replace(**(usual | {name: said[name] for name in names if name in said}))
