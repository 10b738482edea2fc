"""What the chat's server and whoever follows it have in common."""

from __future__ import annotations

from dataclasses import dataclass

import am_machine as am
import am_rpc


@dataclass(frozen=True)
class Line:
    """What one user says to all."""

    who: str
    text: str


class ChatStates(am_rpc.StateSource):
    """A chat: whoever follows it sees whether all may speak, and whether anybody writes."""

    Ready = am.State()
    Muted = am.State(remove=["Typing"])
    Typing = am.State(multi=True, require=[Ready])
    Said = am.State(multi=True, require=[Ready], remove=[Typing], args=Line)
