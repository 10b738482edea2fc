"""The states of a worker process and of the bootstrap that it reports to."""

from __future__ import annotations

import am_helpers as amh
import am_machine as am
import am_rpc

_WORK_STATUS = ("WorkRequested", "Working", "WorkReady", "Idle")


class BootstrapStates(amh.Basic, am_rpc.StateSource, am.States):
    """One machine per fork: the place where a new worker hands over its addresses."""

    WorkerAddr = am.State(doc="The new worker handed over `id`, `local_addr`, `public_addr`.")


class WorkerStates(amh.Basic, am_rpc.StateSource, am.States):
    """A worker: two servers, one client at a time, one piece of work at a time."""

    ErrWork = am.State(require=["Exception"], doc="The work failed.")
    ErrWorkTimeout = am.State(require=["Exception"], doc="The work took longer than allowed.")
    ErrClient = am.State(require=["Exception"], doc="The link to the client failed.")
    ErrSupervisor = am.State(require=["Exception"], doc="The link to the supervisor failed.")

    LocalRpcReady = am.State(require=["Start"], doc="The private server listens.")
    PublicRpcReady = am.State(require=["Start"], doc="The public server listens.")
    SuperConnected = am.State(require=["Start"], doc="The supervisor is connected.")
    ClientConnected = am.State(require=["Start"], doc="The client is connected.")
    RpcReady = am.State(
        auto=True,
        require=[LocalRpcReady, PublicRpcReady],
        doc="Both servers listen: time to report to the bootstrap.",
    )
    Ready = amh.Basic.Ready.extend(require=[LocalRpcReady], doc="Able to work.")

    ServeClient = am.State(
        require=[PublicRpcReady],
        doc="From now on accept only the client `id` with `token`; an empty id means nobody.",
    )
    LeaseEnding = am.State(
        require=[PublicRpcReady],
        doc="Others wait for this worker: what runs ends, what waits goes back, nothing is taken.",
    )
    ClientSendPayload = am.State(
        multi=True,
        require=[PublicRpcReady],
        doc="Deliver `name`, `data` and, for a result, `req` to the client.",
    )
    SuperSendPayload = am.State(
        multi=True, require=[LocalRpcReady], doc="Deliver `name`, `data` to the supervisor."
    )
    ClientLeft = am.State(
        require=["Start"],
        remove=[ClientConnected],
        doc="The client said bye, or was silent for too long: its lease is over.",
    )

    Idle = am.State(auto=True, require=[Ready], remove=_WORK_STATUS, doc="Nothing to do.")
    WorkRequested = am.State(
        multi=True, require=[Ready], remove=_WORK_STATUS, doc="Do this: `req` and the work's args."
    )
    Working = am.State(require=[Ready], remove=_WORK_STATUS, doc="The work is in progress.")
    WorkReady = am.State(require=[Ready], remove=_WORK_STATUS, doc="The result is there.")
    WorkQueued = am.State(
        multi=True,
        require=[Ready],
        doc="A request was accepted and waits for its turn; only in classes with `queue` > 0.",
    )
    WorkStuck = am.State(
        require=["Start"],
        doc="A synchronous `work` outlived its cancellation: the process has to be replaced.",
    )
    Draining = am.State(require=["Start"], doc="Finish, accept nothing new, then stop.")

    class Groups:
        """Named groups of states."""

        WorkStatus = _WORK_STATUS
