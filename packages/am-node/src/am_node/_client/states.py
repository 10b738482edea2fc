"""The states of a client and of its links: one link per worker that it holds."""

from __future__ import annotations

import am_helpers as amh
import am_machine as am
import am_rpc


class LaneStates(am_rpc.Consumer, am.States):
    """The link to one worker, with its lease."""

    ErrWorker = am.State(require=["Exception"], doc="The link to the worker failed.")
    Start = am.State(doc="The link is in use.")
    WorkerConnecting = am.State(doc="The link to the worker is being made.")
    WorkerConnected = am.State(doc="The link to the worker is up.")
    WorkerDisconnecting = am.State(doc="The link to the worker is being closed.")
    WorkerDisconnected = am.State(doc="There is no link to the worker.")
    WorkerRequested = am.State(require=["Start"], doc="Waiting for the address of a worker.")
    WorkerReady = am.State(remove=[WorkerRequested], doc="The link to the worker is usable.")
    WorkerLost = am.State(
        remove=[WorkerReady, WorkerRequested], doc="The worker or its lease is gone."
    )


class ClientStates(amh.Basic, am_rpc.Consumer, am.States):
    """A client: one supervisor at a time, a link to each worker that it holds."""

    ErrWorker = am.State(require=["Exception"], doc="The link to a worker failed.")
    ErrSupervisor = am.State(require=["Exception"], doc="The link to the supervisor failed.")

    SuperConnecting = am.State(doc="The link to the supervisor is being made.")
    SuperConnected = am.State(doc="The link to the supervisor is up.")
    SuperDisconnecting = am.State(doc="The link to the supervisor is being closed.")
    SuperDisconnected = am.State(doc="There is no link to the supervisor.")
    SuperReady = am.State(doc="The supervisor is usable.")

    WorkerConnecting = LaneStates.WorkerConnecting
    WorkerConnected = LaneStates.WorkerConnected
    WorkerDisconnecting = LaneStates.WorkerDisconnecting
    WorkerDisconnected = LaneStates.WorkerDisconnected
    WorkerRequested = am.State(
        require=[SuperReady],
        doc="Waiting for an address; refused unless the supervisor has `WorkersAvailable`.",
    )
    WorkerReady = am.State(remove=[WorkerRequested], doc="The link to the worker is usable.")
    Ready = amh.Basic.Ready.extend(
        auto=True, require=[WorkerReady], doc="Work can be delegated, payloads arrive."
    )
    FailingOver = am.State(require=["Start"], doc="Looking for another supervisor.")
    WorkPending = am.State(require=["Start"], doc="At least one `work()` call is open.")
