"""Supervised worker pools for asyncmachine: processes that do work, and lose none of it.

A *supervisor* starts worker processes and keeps them healthy; a *client* gets a worker from a
supervisor and then talks to it directly. Each of them is a state machine, and each conversation is
aRPC.

A worker's process, a client's and a supervisor's each load their own part: what is not needed to
define a worker class is imported when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._errors import BootError as BootError
from ._errors import EntryPointError as EntryPointError
from ._errors import ErrHeartbeat as ErrHeartbeat
from ._errors import ErrWorkerConn as ErrWorkerConn
from ._errors import ErrWorkerExit as ErrWorkerExit
from ._errors import ErrWorkerHealth as ErrWorkerHealth
from ._errors import ErrWorkerKill as ErrWorkerKill
from ._errors import ErrWorkerMissing as ErrWorkerMissing
from ._errors import NodeError as NodeError
from ._errors import NoWorkers as NoWorkers
from ._errors import PoolError as PoolError
from ._errors import SupervisorLost as SupervisorLost
from ._errors import WorkerError as WorkerError
from ._errors import WorkerLost as WorkerLost
from ._errors import WorkError as WorkError
from ._errors import WorkTimeout as WorkTimeout
from ._worker import Worker as Worker
from ._worker_states import BootstrapStates as BootstrapStates
from ._worker_states import WorkerStates as WorkerStates

__all__ = [
    "BootConfig",
    "BootError",
    "BootstrapStates",
    "Client",
    "ClientStates",
    "CommandLauncher",
    "Discovery",
    "DnsName",
    "EntryPointError",
    "ErrHeartbeat",
    "ErrWorkerConn",
    "ErrWorkerExit",
    "ErrWorkerHealth",
    "ErrWorkerKill",
    "ErrWorkerMissing",
    "ExitInfo",
    "FileDir",
    "LaneStates",
    "Launcher",
    "LocalLauncher",
    "MemoryLauncher",
    "NoWorkers",
    "NodeError",
    "Policy",
    "Pool",
    "PoolError",
    "Resources",
    "Results",
    "Rlimits",
    "SlotStates",
    "SshLauncher",
    "StartArgs",
    "StaticList",
    "Supervisor",
    "SupervisorLost",
    "SupervisorStates",
    "Timing",
    "Tls",
    "WorkError",
    "WorkTimeout",
    "Worker",
    "WorkerError",
    "WorkerHandle",
    "WorkerInfo",
    "WorkerLost",
    "WorkerSpec",
    "WorkerStates",
    "boot_environment",
    "drain_worker",
    "entry_point_of",
    "load_entry_point",
    "run_worker",
    "serve",
]

_LAZY = {
    "BootConfig": "_boot",
    "boot_environment": "_boot",
    "Client": "_client",
    "ClientStates": "_client_states",
    "LaneStates": "_client_states",
    "Discovery": "_discovery",
    "DnsName": "_discovery",
    "FileDir": "_discovery",
    "StaticList": "_discovery",
    "entry_point_of": "_entry",
    "load_entry_point": "_entry",
    "ExitInfo": "_launcher",
    "Launcher": "_launcher",
    "Resources": "_launcher",
    "WorkerHandle": "_launcher",
    "WorkerSpec": "_launcher",
    "LocalLauncher": "_local_launcher",
    "Results": "_map",
    "MemoryLauncher": "_memory_launcher",
    "drain_worker": "_run_worker",
    "run_worker": "_run_worker",
    "serve": "_serve",
    "Policy": "_settings",
    "Pool": "_settings",
    "Rlimits": "_settings",
    "Timing": "_settings",
    "WorkerInfo": "_slot",
    "CommandLauncher": "_ssh_launcher",
    "SshLauncher": "_ssh_launcher",
    "Supervisor": "_supervisor",
    "SlotStates": "_supervisor_states",
    "StartArgs": "_supervisor_states",
    "SupervisorStates": "_supervisor_states",
    "Tls": "_tls",
}

if TYPE_CHECKING:
    from ._boot import BootConfig as BootConfig
    from ._boot import boot_environment as boot_environment
    from ._client import Client as Client
    from ._client_states import ClientStates as ClientStates
    from ._client_states import LaneStates as LaneStates
    from ._discovery import Discovery as Discovery
    from ._discovery import DnsName as DnsName
    from ._discovery import FileDir as FileDir
    from ._discovery import StaticList as StaticList
    from ._entry import entry_point_of as entry_point_of
    from ._entry import load_entry_point as load_entry_point
    from ._launcher import ExitInfo as ExitInfo
    from ._launcher import Launcher as Launcher
    from ._launcher import Resources as Resources
    from ._launcher import WorkerHandle as WorkerHandle
    from ._launcher import WorkerSpec as WorkerSpec
    from ._local_launcher import LocalLauncher as LocalLauncher
    from ._map import Results as Results
    from ._memory_launcher import MemoryLauncher as MemoryLauncher
    from ._run_worker import drain_worker as drain_worker
    from ._run_worker import run_worker as run_worker
    from ._serve import serve as serve
    from ._settings import Policy as Policy
    from ._settings import Pool as Pool
    from ._settings import Rlimits as Rlimits
    from ._settings import Timing as Timing
    from ._slot import WorkerInfo as WorkerInfo
    from ._ssh_launcher import CommandLauncher as CommandLauncher
    from ._ssh_launcher import SshLauncher as SshLauncher
    from ._supervisor import Supervisor as Supervisor
    from ._supervisor_states import SlotStates as SlotStates
    from ._supervisor_states import StartArgs as StartArgs
    from ._supervisor_states import SupervisorStates as SupervisorStates
    from ._tls import Tls as Tls


def __getattr__(name: str) -> Any:
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{module}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
