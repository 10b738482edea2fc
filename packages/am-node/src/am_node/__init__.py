"""Supervised worker pools for asyncmachine: processes that do work, and lose none of it.

A *supervisor* starts worker processes and keeps them healthy; a *client* gets a worker from a
supervisor and then talks to it directly; each is a state machine, and each conversation is aRPC.
What a worker class is not made of is imported when first asked for. Each room is above those it
knows:

* `_cli`: the command ``am-node``; `_shortcuts`: pools of one's own; `testing`: for own launchers
* `_client`: finds a supervisor, links to workers, hands out requests and takes answers
* `_supervisor`: starts workers, keeps them healthy, leases them to clients
* `ssh`, `slurm`, `ray`, `kubernetes`, `_launchers`: how a worker is started
* `_worker`: the worker itself, its work and its answers
* what several of them must agree on: modules beside the rooms, `_errors` and `_settings` first
"""

from typing import TYPE_CHECKING

from . import _lazy

# isort: off
# fmt: off

from ._worker.worker import Worker
from ._worker_states import BootstrapStates, WorkerStates
# What goes wrong: as reasons of `ErrWorker` and `ErrPool`, and at a caller.
from ._errors import BootError, EntryPointError, NodeError, PoolError, WorkerError
from ._errors import ErrHeartbeat, ErrWorkerConn, ErrWorkerExit, ErrWorkerHealth, ErrWorkerKill
from ._errors import ErrWorkerMissing, NoWorkers, SupervisorLost, WorkerLost, WorkError, WorkTimeout

if TYPE_CHECKING:  # loaded when first asked for
    from ._shortcuts.blocking import BlockingPool, blocking  # easy ways in: a pool of one's own
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
    from ._launchers.base import ExitInfo, Launcher, QueuedHandle, Resources, WorkerHandle
    from ._launchers.base import WorkerSpec
    from ._launchers.command import CommandLauncher
    from ._launchers.local import LocalLauncher
    from ._launchers.memory import MemoryLauncher
    from ._launchers.ssh import SshLauncher
    from ._boot import BootConfig, boot_environment
    from ._entry import entry_point_of, load_entry_point
    from ._frozen import freeze_support
    from ._worker.main import drain_worker, run_worker
else:
    __getattr__ = _lazy.load  # Python asks it for names

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

_lazy.show_public_module(globals(), __all__)


def __dir__() -> list[str]:
    return sorted(__all__)
