"""Finding the machine and the states that words of a command mean."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

from ._outcome import Code, CommandError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .._client.network_machine import NetworkMachine
    from ._pool import Peer

FIRST: Final = "."
_SHOWN: Final = 5


def find_peer(peers: Iterable[Peer], word: str) -> Peer:
    """Return the peer with this id or address, or the only one whose id begins so; `.` the first.

    Raises:
        CommandError: there is none, or more than one.
    """
    heard_of = [peer for peer in peers if peer.id]
    if word == FIRST:
        live = [peer for peer in heard_of if peer.is_connected]
        found = live[:1]
    else:
        found = [peer for peer in heard_of if word in (peer.id, peer.addr)]
        found = found or [peer for peer in heard_of if peer.id.startswith(word)]
    if not found:
        raise CommandError(Code.NO, f"no machine {word!r}{_hint(word, heard_of)}")
    if len(found) > 1:
        told = ", ".join(f"{peer.id} at {peer.addr}" for peer in found[:_SHOWN])
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise CommandError(Code.NO, f"{word!r} may be {told}{more}")
    return found[0]


def _hint(word: str, peers: Iterable[Peer]) -> str:
    close = difflib.get_close_matches(word, [peer.id for peer in peers], n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def live_net(peer: Peer) -> NetworkMachine:
    """Return the replica of a connected peer.

    Raises:
        CommandError: it is not connected.
    """
    net = peer.net
    if net is None or not peer.is_connected:
        why = f": {peer.error}" if peer.error is not None else ""
        raise CommandError(Code.NOT_CONNECTED, f"{peer.id or peer.addr} is not connected{why}")
    return net


def check_states(net: NetworkMachine, states: Iterable[str]) -> None:
    """Raise `CommandError` for the first name that is no state of the machine."""
    for state in states:
        if state not in net.schema:
            close = difflib.get_close_matches(state, net.schema.names, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise CommandError(Code.USAGE, f"{net.remote_id} has no state {state!r}{hint}")
