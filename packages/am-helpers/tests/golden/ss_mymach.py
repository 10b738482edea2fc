"""States of MyMach."""

import am_machine as am
from am_helpers import Basic, Connected

__all__ = ["MyMachStates"]


class MyMachStates(Basic, Connected, am.States):
    """States of MyMach."""

    State1 = am.State(doc="What it means.")
    State2 = am.State(multi=True, doc="What it means.")
    State3 = am.State(auto=True, multi=True, doc="What it means.")

    class Groups(Connected.Groups):
        """Named groups of states."""

        Group1: tuple[str, ...] = ()
        Group2: tuple[str, ...] = ()
