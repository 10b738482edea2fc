"""The states of a supervisor, and of the slot it keeps for each of its workers."""

from __future__ import annotations

from dataclasses import dataclass

import am_helpers as amh
import am_machine as am
import am_rpc

_POOL_STATUS = ("PoolStarting", "PoolReady")
_POOL_NORMALIZED = ("PoolNormalized", "NormalizingPool")
_PHASE = ("Initing", "Linked", "Stopping", "Gone")


@dataclass(frozen=True, slots=True)
class StartArgs:
    """The addresses to bind: `public_addr` for clients, `local_addr` for other supervisors."""

    public_addr: str
    local_addr: str


class SupervisorStates(amh.Basic, am_rpc.StateSource, am.States):
    """A supervisor: servers, pool, health, leases. What it does to one worker is an event."""

    ErrWorker = am.State(
        require=["Exception"],
        add=["NormalizingPool", "Heartbeat"],
        doc="A worker failed; removes itself and `Exception` once handled.",
    )
    ErrPool = am.State(
        require=["Exception"],
        remove=["PoolNormalized"],
        add=["NormalizingPool"],
        doc="The pool cannot be brought to its minimum.",
    )
    ErrDiscovery = am.State(require=["Exception"], doc="Registering with discovery failed.")

    Start = am.State(add=["PoolStarting"], args=StartArgs, doc="The supervisor has been started.")
    LocalRpcReady = am.State(require=[Start], doc="The private server listens.")
    PublicRpcReady = am.State(require=[Start], doc="The public server listens.")
    Ready = amh.Basic.Ready.extend(
        auto=True, require=[LocalRpcReady, PublicRpcReady, "PoolReady"], doc="Accepts clients."
    )
    Heartbeat = amh.Basic.Heartbeat.extend(require=[Start], doc="A health round is running.")

    PoolStarting = am.State(
        remove=_POOL_STATUS, add=["NormalizingPool"], doc="The pool is filled for the first time."
    )
    PoolReady = am.State(
        require=[Start],
        remove=_POOL_STATUS,
        add=[Heartbeat],
        doc="At least `min` workers are ready: entered only then, left only when fewer.",
    )
    PoolWarm = am.State(
        require=[PoolReady], doc="At least `warm` idle workers, or `max` workers, are there."
    )
    NormalizingPool = am.State(
        require=[Start],
        remove=_POOL_NORMALIZED,
        after=[ErrWorker],
        doc="Forking what is missing.",
    )
    PoolNormalized = am.State(
        require=[Start],
        remove=_POOL_NORMALIZED,
        add=[Heartbeat],
        doc="The round is over; see `PoolReady` for the outcome.",
    )
    WorkersAvailable = am.State(require=[PoolReady], doc="At least one idle worker has no lease.")
    CrashLoop = am.State(require=[Start], doc="Workers die at once; forks are delayed.")
    Draining = am.State(
        require=[Start],
        remove=[WorkersAvailable],
        doc="No new leases; ends by removing `Start`.",
    )

    ListWorkers = am.State(
        multi=True, require=[Start], doc="Send the slots that `filter` accepts to `channel`."
    )
    SetWorker = am.State(multi=True, require=[Start], doc="Set or delete the entry of a worker.")
    ForkWorker = am.State(multi=True, require=[Start], doc="Open a bootstrap for a new worker.")
    ForkingWorker = am.State(multi=True, require=[Start], doc="Start the process of a worker.")
    WorkerConnected = am.State(
        multi=True, require=[Start], doc="A new worker reported its addresses."
    )
    WorkerForked = am.State(
        multi=True, require=[Start], add=[Heartbeat], doc="The private link to a worker is up."
    )
    KillWorker = am.State(multi=True, doc="A worker is to be ended.")
    KillingWorker = am.State(multi=True, doc="A worker is being ended.")
    WorkerKilled = am.State(
        multi=True,
        add=[NormalizingPool, Heartbeat],
        doc="The process of a worker is gone and its entry removed.",
    )
    WorkerReady = am.State(multi=True, require=[Start], doc="A worker became ready.")
    WorkerGone = am.State(multi=True, require=[Start], doc="A worker stopped being ready.")
    ProvideWorker = am.State(
        multi=True,
        require=[WorkersAvailable],
        doc="A client wants a worker: `worker_rpc_id`, `super_rpc_id`.",
    )
    AwaitWorker = am.State(
        multi=True,
        require=[Start],
        doc="A client wants a worker, and waits for one: as `ProvideWorker`, again and again; "
        "with `wait` False it wants none any more.",
    )
    WorkerIssues = am.State(multi=True, doc="A client complains: `worker_id`, `reason`.")
    ProvideStatus = am.State(multi=True, doc="A client asks how the pool is: `req`.")

    ClientConnected = am.State(multi=True, doc="A client connected.")
    ClientDisconnected = am.State(multi=True, doc="A client went away.")
    SuperConnected = am.State(multi=True, doc="A peer supervisor connected.")
    SuperDisconnected = am.State(multi=True, doc="A peer supervisor went away.")
    ClientSendPayload = am.State(multi=True, doc="Deliver `name`, `data` to a client.")
    SuperSendPayload = am.State(multi=True, doc="Deliver `name`, `data` to a peer supervisor.")

    class Groups:
        """Named groups of states."""

        PoolStatus = _POOL_STATUS
        PoolNormalized = _POOL_NORMALIZED
        Errors = ("ErrWorker", "ErrPool")


class SlotStates(am.States):
    """A supervisor's entry of one worker: its phase, its readiness, its lease."""

    Initing = am.State(remove=_PHASE, doc="The process was started; there is no link yet.")
    Linked = am.State(remove=_PHASE, doc="The private link is up.")
    Stopping = am.State(remove=_PHASE, doc="The process is being ended.")
    Gone = am.State(remove=_PHASE, doc="The process has ended.")

    Ready = am.State(require=[Linked], doc="The worker says it is able to work.")
    Idle = am.State(require=[Linked], doc="The worker says it has nothing to do.")
    ClientConnected = am.State(require=[Linked], doc="The worker's client is connected to it.")
    ClientLeft = am.State(require=[Linked], doc="The worker's client said bye, or is gone.")
    ErrRecent = am.State(
        multi=True, remove=["Available"], doc="An error is less than a minute old: no client now."
    )
    Leased = am.State(require=[Linked], remove=["Available"], doc="A client holds the worker.")
    Offered = am.State(require=[Leased], doc="The worker is being told which client to serve.")
    LeaseGrace = am.State(
        require=[Leased], doc="The client's link is down; it may come back within the grace."
    )
    Draining = am.State(
        require=[Linked], remove=["Available"], doc="The worker finishes and is given to nobody."
    )
    Available = am.State(
        auto=True,
        require=[Ready, Idle],
        doc="May be given to a client: ready, idle, without lease and recent error.",
    )

    class Groups:
        """Named groups of states."""

        Phase = _PHASE
