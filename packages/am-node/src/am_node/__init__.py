"""Supervised worker pools for asyncmachine: processes that do work, and lose none of it.

A *supervisor* starts worker processes and keeps them healthy; a *client* gets a worker from a
supervisor and then talks to it directly. Each of them is a state machine, and each conversation is
aRPC. A worker's process, a client's and a supervisor's each load their own part: what is not
needed to define a worker class is imported when it is first asked for. The rooms, each above those
that it knows:

* `testing`, `_testing`: what a launcher of your own has to pass
* `_cli`: the command ``am-node``; `_shortcuts`: pools of one's own
* `_client`: finds a supervisor, links to workers, hands out requests and takes answers
* `_supervisor`: starts workers, keeps them healthy, leases them to clients
* `ssh`, `slurm`, `ray`, `_launchers`: how a worker is started
* `_worker`: the worker itself, its work and its answers
* what several of them must agree on: modules beside the rooms, `_errors` and `_settings` first
"""

from typing import TYPE_CHECKING

# isort: off
# fmt: off

# What a worker class is made of.
from ._worker.worker import Worker
from ._worker_states import BootstrapStates, WorkerStates
# What goes wrong: as reasons of `ErrWorker` and `ErrPool`, and at a caller.
from ._errors import BootError, EntryPointError, NodeError, PoolError, WorkerError
from ._errors import ErrHeartbeat, ErrWorkerConn, ErrWorkerExit, ErrWorkerHealth
from ._errors import ErrWorkerKill, ErrWorkerMissing
from ._errors import NoWorkers, SupervisorLost, WorkerLost, WorkError, WorkTimeout

if TYPE_CHECKING:  # loaded when first asked for
    # Easy ways in: a pool of one's own.
    from ._shortcuts.blocking import BlockingPool, blocking
    from ._shortcuts.on_asyncio import AsyncioPool, on_asyncio
    from ._shortcuts.own_pool import open_pool
    from ._shortcuts.run import Run, run
    # The client, and how it finds supervisors.
    from ._client.client import Client
    from ._client.discovery import Discovery, DnsName, FileDir, OwnSockets, StaticList
    from ._client.map import Results
    from ._client.states import ClientStates, LaneStates
    # The supervisor, and what can be set.
    from ._supervisor.serve import serve
    from ._status import PoolStatus, WorkerInfo
    from ._supervisor.states import SlotStates, StartArgs, SupervisorStates
    from ._supervisor.supervisor import Supervisor
    from ._settings import Policy, Pool, Rlimits, Timing
    from ._tls import Tls
    # How workers are started.
    from ._launchers.base import ExitInfo, Launcher, QueuedHandle, Resources, WorkerHandle
    from ._launchers.base import WorkerSpec
    from ._launchers.command import CommandLauncher
    from ._launchers.local import LocalLauncher
    from ._launchers.memory import MemoryLauncher
    from ._launchers.ssh import SshLauncher
    # A worker's process, in any program.
    from ._boot import BootConfig, boot_environment
    from ._entry import entry_point_of, load_entry_point
    from ._frozen import freeze_support
    from ._worker.main import drain_worker, run_worker
else:
    from ._lazy import load as __getattr__  # noqa: F401 - Python asks it for names

# fmt: on

__all__ = [
    "AsyncioPool", "BlockingPool", "BootConfig", "BootError", "BootstrapStates", "Client",
    "ClientStates", "CommandLauncher", "Discovery", "DnsName", "EntryPointError", "ErrHeartbeat",
    "ErrWorkerConn", "ErrWorkerExit", "ErrWorkerHealth", "ErrWorkerKill", "ErrWorkerMissing",
    "ExitInfo", "FileDir", "LaneStates", "Launcher", "LocalLauncher", "MemoryLauncher", "NoWorkers",
    "NodeError", "OwnSockets", "Policy", "Pool", "PoolError", "PoolStatus", "QueuedHandle",
    "Resources", "Results", "Rlimits", "Run", "SlotStates", "SshLauncher", "StartArgs",
    "StaticList", "Supervisor", "SupervisorLost", "SupervisorStates", "Timing", "Tls", "WorkError",
    "WorkTimeout", "Worker", "WorkerError", "WorkerHandle", "WorkerInfo", "WorkerLost",
    "WorkerSpec", "WorkerStates", "blocking", "boot_environment", "drain_worker", "entry_point_of",
    "freeze_support", "load_entry_point", "on_asyncio", "open_pool", "run", "run_worker", "serve",
]  # fmt: skip

for _name in __all__:  # users and pickles see the public module, whichever room a name is in
    if _name in globals():
        globals()[_name].__module__ = __name__
del _name


def __dir__() -> list[str]:
    return sorted(__all__)
