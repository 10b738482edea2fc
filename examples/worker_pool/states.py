"""The demo itself is a machine: what has happened so far, as states to wait for."""

from __future__ import annotations

import am_helpers as amh
import am_machine as am


class DemoStates(amh.Basic, am.States):
    """From the first process to the verdict."""

    Moving = am.State(require=["Start"], tags=["dbg:quiet"], doc="It came further not long ago.")
    StoodStill = am.State(remove=[Moving], doc="It has not come any further for too long.")
    PoolReady = am.State(require=["Start"], doc="Every supervisor has its workers.")
    ResultArrived = am.State(multi=True, require=["Start"], doc="A client got a result.")
    WorkerKilled = am.State(doc="One worker was killed, a third of the way.")
    AllDone = am.State(doc="Each client has all its results.")
    Compared = am.State(require=[AllDone], doc="They were compared with those of a plain run.")
    TotalsEqual = am.State(doc="The pool and a plain run in one process agree.")
    NothingLeft = am.State(doc="No process and no socket of the demo exists any more.")
    Interrupted = am.State(doc="Somebody pressed Ctrl-C.")
