"""Public names that are loaded when they are first asked for: each process needs its own part."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

_PACKAGE = __name__.rpartition(".")[0]
_ROOMS = {
    "_boot": "BootConfig boot_environment",
    "_client.client": "Client",
    "_client.discovery": "Discovery DnsName FileDir OwnSockets StaticList",
    "_client.map": "Results",
    "_client.states": "ClientStates LaneStates",
    "_entry": "entry_point_of load_entry_point",
    "_frozen": "freeze_support",
    "_launchers.base": "ExitInfo Launcher QueuedHandle Resources WorkerHandle WorkerSpec",
    "_launchers.command": "CommandLauncher",
    "_launchers.local": "LocalLauncher",
    "_launchers.memory": "MemoryLauncher",
    "_launchers.ssh": "SshLauncher",
    "_settings": "Policy Pool Rlimits Timing",
    "_supervisor.serve": "serve",
    "_shortcuts.blocking": "BlockingPool blocking",
    "_shortcuts.on_asyncio": "AsyncioPool on_asyncio",
    "_shortcuts.own_pool": "open_pool",
    "_shortcuts.run": "Run run",
    "_status": "PoolStatus WorkerInfo",
    "_supervisor.states": "SlotStates StartArgs SupervisorStates",
    "_supervisor.supervisor": "Supervisor",
    "_tls": "Tls",
    "_worker.main": "drain_worker run_worker",
}
_MODULE_OF = {name: module for module, names in _ROOMS.items() for name in names.split()}


def show_public_module(public: dict[str, Any], names: Iterable[str]) -> None:
    """Let users and pickles see the public module, whichever room a name is in."""
    for name in names:
        if name in public:
            public[name].__module__ = _PACKAGE


def load(name: str) -> Any:
    """Return a name of the package that was not loaded yet.

    :raises AttributeError: if there is no such name.
    """
    if name not in _MODULE_OF:
        raise AttributeError(f"module {_PACKAGE!r} has no attribute {name!r}")
    import_module(f"{_PACKAGE}.{_MODULE_OF[name]}")
    _publish()
    return vars(sys.modules[_PACKAGE])[name]


def _publish() -> None:
    """Put all names whose modules are there by now into the package, under its name.

    All at once, since an object may come into a user's hands, and into a pickle, before its class
    is asked for.
    """
    public = vars(sys.modules[_PACKAGE])
    for name, module in _MODULE_OF.items():
        loaded = sys.modules.get(f"{_PACKAGE}.{module}")
        if loaded is not None and name not in public and hasattr(loaded, name):
            value = public[name] = getattr(loaded, name)
            value.__module__ = _PACKAGE
