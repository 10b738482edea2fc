"""What the daemon and its command line have in common."""

from __future__ import annotations

from dataclasses import dataclass

import am_machine as am
import am_rpc

STEPS = 4  # a job tells its progress so many times


@dataclass(frozen=True)
class JobArgs:
    """How long a job takes, in seconds."""

    duration: float = 0.2


class DaemonStates(am_rpc.StateSource):
    """Two kinds of jobs, one at a time. `Progress` ticks at each step of the running one."""

    Ready = am.State()
    Foo = am.State(require=[Ready], remove=["FooDone", "BarDone"], args=JobArgs)
    FooDone = am.State(remove=[Foo])
    Bar = am.State(require=[Ready], remove=[FooDone, "BarDone"], args=JobArgs)
    BarDone = am.State(remove=[Bar])
    Progress = am.State(multi=True)
