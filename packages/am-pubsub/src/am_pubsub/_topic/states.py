"""The states of a topic."""

from __future__ import annotations

from dataclasses import dataclass

import am_helpers as amh
import am_machine as am


@dataclass(frozen=True)
class PeerArgs:
    """Which peer came or went: the hexadecimal digits of its id."""

    peer_id: str


@dataclass(frozen=True)
class MachArgs:
    """Which machine came or went."""

    peer_id: str
    index: int
    mach_id: str


@dataclass(frozen=True)
class PayloadArgs:
    """A payload, and the peer that sent it."""

    from_id: str
    data: bytes


@dataclass(frozen=True)
class RejectedArgs:
    """How much bad input came since the last time, by reason, and who sent it."""

    counts: dict[str, int]
    from_ids: tuple[str, ...] = ()


class TopicStates(amh.Basic, amh.Connected, amh.Disposed):
    """A topic as a machine: joined or not, and what happens in it as events."""

    ErrJoining = am.State(
        require=["Exception"], add=["Exception"], multi=True, doc="The topic cannot be joined."
    )
    ErrListening = am.State(
        require=["Exception"], add=["Exception"], multi=True, doc="It cannot be listened on."
    )
    Joining = am.State(require=["Connected"], remove=["Joined"], doc="Neighbours are looked for.")
    Joined = am.State(
        require=["Connected"],
        remove=["Joining"],
        doc="The first digest was exchanged, or nobody was reached for two seconds.",
    )
    Ready = am.State(auto=True, require=["Start", Joined], doc="The topic can be used.")
    PeerJoined = am.State(multi=True, require=[Joined], args=PeerArgs, doc="A peer came.")
    PeerLost = am.State(multi=True, require=[Joined], args=PeerArgs, doc="A peer went.")
    MachAdded = am.State(multi=True, require=[Joined], args=MachArgs, doc="A machine came.")
    MachRemoved = am.State(multi=True, require=[Joined], args=MachArgs, doc="A machine went.")
    Syncing = am.State(require=[Joined], doc="A digest disagrees with that of a neighbour.")
    Leaving = am.State(require=[Joined], remove=[Joining], doc="Goodbye is being said.")
    MsgReceived = am.State(multi=True, require=[Joined], args=PayloadArgs, doc="A payload came.")
    MsgRejected = am.State(multi=True, args=RejectedArgs, doc="Bad input was dropped.")


TOLD = frozenset({"Start", "Ready", "Connected", "Joining", "Joined", "Leaving"})
"""What other peers are told of this machine: events would make each peer's news the news of all."""
