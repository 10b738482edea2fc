"""States of Service."""

import am_machine as am
from am_helpers import Basic
from am_rpc import StateSource

__all__ = ["ServiceStates"]


class ServiceStates(Basic, StateSource, am.States):
    """States of Service."""

    Idle = am.State(auto=True, require=["Ready"], doc="What it means.")
    Working = am.State(require=["Ready"], remove=["Idle", "Done"], doc="What it means.")
    Done = am.State(multi=True, remove=["Working", "ErrJob"], doc="What it means.")
    ErrJob = am.State(require=["Exception"], remove=["Working"], doc="What it means.")

    class Groups:
        """Named groups of states."""

        Work: tuple[str, ...] = ("Idle", "Working")
