"""Public names that are loaded when they are first asked for.

Their modules need an extra, take long to load, or are for few programs: what nobody asks for does
not delay the start of a process.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

_PACKAGE = __name__.rpartition(".")[0]
_ROOMS = {
    "guest": "",  # a public module of its own
    "_disposal": "DisposedHandlers dispose on_dispose",
    "_typed_args": (
        "args_dump args_dump_keywords args_load args_load_keywords args_log args_names args_to_args"
    ),
    "_env.health": "healthcheck",
    "_env.watchdog": "Watchdog",
    "_schema_tools": "copy_schema prefix_states schema_hash tag_value",
    "_pipes.mirror": "mirror",
    "_waiting.waiting": (
        "FnWait activations group_when interval wait_for_all wait_for_any when_fn"
    ),
    "_waiting.calls": (
        "add_async add_sync ask_add ask_remove cant_add cant_remove remove_multi remove_sync"
        " result_to_err"
    ),
    "_waiting.cond": "Cond",
    "_waiting.request": "Request",
    "_waiting.state_loop": "StateLoop",
    "_waiting.task_pool": "TaskPool",
    "_history._api": "HistoryApi",
    "_history._file": "HistoryFile",
    "_history._memory": "MemoryHistory",
    "_history._model": "Bound HistoryConfig MachineRecord Query TimeRecord TransitionRecord",
    "_history._restore": "load_machine",
    "_history._sqlite": "SqliteHistory",
    "_history._store": "SqliteStore",
    "_diagrams.d2": "d2",
    "_diagrams.dot": "dot",
    "_diagrams.mermaid": "mermaid",
    "_diagrams.render": "render",
    "_graph.graph": "Graph",
    "_notebook.extension": "load_ipython_extension unload_ipython_extension",
    "testing": (
        "assert_any assert_err assert_is assert_no_err_ever assert_no_err_now"
        " assert_no_err_queued assert_not assert_ticks assert_time"
    ),
}
_MODULE_OF = {name: module for module, names in _ROOMS.items() for name in names.split()}


def load(name: str) -> Any:
    """Return a name of the package that was not loaded yet.

    :raises AttributeError: if there is no such name.
    :raises ImportError: if it needs an extra that is not installed.
    """
    if name in _ROOMS and not _ROOMS[name]:
        return import_module(f"{_PACKAGE}.{name}")
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
            if module.startswith("_"):
                value.__module__ = _PACKAGE
