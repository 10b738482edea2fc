"""Reusable schemas, pipes, waiting, history and diagrams for asyncmachine.

All of it is built on the public names of `am_machine` and works on any `am.MachineApi`, local or
remote. ``import am_helpers`` loads am_machine only. The rooms, each above those that it knows:

* `guest`, `_notebook`, `testing`: machines in asyncio programs, in notebooks and under pytest
* `_gen`: what ``am-gen`` writes and draws
* `_graph`, `_diagrams`, `_history`: what machines are connected to, look like, and were
* `_pipes`, `_waiting`: states of one machine that follow another's; calls and tasks that wait
* `_env`: switches by environment variables
* `_errors`, `_names`, `_schemas`, `_schema_tools`, `_disposal`, `_typed_args`: what all others know
"""

from typing import TYPE_CHECKING

# isort: off
# fmt: off

# Schemas to inherit from, and names of states.
from ._schemas import Basic, Connected, ConnPool, Disposed, add_err_connecting
from ._names import handler_to_state, implements
# Pipes: a state of one machine follows a state of another.
from ._pipes.pipe import Pipe, Route, pipes_of
from ._pipes.pipes import bind, bind_add, bind_any, bind_connected, bind_err, bind_many
from ._pipes.pipes import bind_ready, bind_remove, bind_start, sync
# Debugging by environment variables.
from ._env.switches import INNER, common, debug_env, enable_debugging, is_debugging
from ._env.switches import register_debug_exporter
from ._env.values import is_on
# What goes wrong.
from ._errors import CanceledError, ConnectingError, DisposedError, HelpersError, HistoryError
from ._errors import LoopError, MachineError, PipeError, PipeLoopError, PipeRefusedError
from ._errors import QueryError, RendererMissing, RenderError, WaitTimeoutError

if TYPE_CHECKING:  # loaded when first asked for: not every process needs them
    # Typed args to and from plain values.
    from ._typed_args import args_dump, args_dump_keywords, args_load, args_load_keywords
    from ._typed_args import args_log, args_names, args_to_args
    # Switched on by variables, or by hand.
    from ._env.health import healthcheck
    from ._env.watchdog import Watchdog
    # Tools for schemas.
    from ._schema_tools import copy_schema, prefix_states, schema_hash, tag_value
    # The end of machines, and what is to happen then.
    from ._disposal import DisposedHandlers, dispose, on_dispose
    # Waiting for several machines, calls that wait for their outcome.
    from ._waiting.waiting import FnWait, activations, group_when, interval
    from ._waiting.waiting import wait_for_all, wait_for_any, when_fn
    from ._waiting.calls import add_async, add_sync, ask_add, ask_remove, cant_add, cant_remove
    from ._waiting.calls import remove_multi, remove_sync, result_to_err
    # Machines in an asyncio program.
    from . import guest as guest
    # Conditions, loops and tasks that are bounded, machines that follow another in all states.
    from ._pipes.mirror import mirror
    from ._waiting.cond import Cond
    from ._waiting.state_loop import StateLoop
    from ._waiting.task_pool import TaskPool
    # Mutations that are tried again; extra [retry].
    from ._waiting.request import Request
    # What a machine was: records in memory or in SQLite.
    from ._history._api import HistoryApi
    from ._history._file import HistoryFile
    from ._history._memory import MemoryHistory
    from ._history._model import Bound, HistoryConfig, MachineRecord, Query
    from ._history._model import TimeRecord, TransitionRecord
    from ._history._restore import load_machine
    from ._history._sqlite import SqliteHistory
    from ._history._store import SqliteStore
    # Pictures of schemas, machines, graphs, transitions and explanations.
    from ._diagrams.d2 import d2
    from ._diagrams.dot import dot
    from ._diagrams.mermaid import mermaid
    from ._diagrams.render import render
    # Machines and what connects them, as a graph; extra [graph].
    from ._graph.graph import Graph
    # Assertions for tests.
    from .testing import assert_any, assert_err, assert_is, assert_no_err_ever, assert_no_err_now
    from .testing import assert_no_err_queued, assert_not, assert_ticks, assert_time
    # What `%load_ext am_helpers` calls.
    from ._notebook.extension import load_ipython_extension, unload_ipython_extension
else:
    from ._lazy import load as __getattr__  # noqa: F401 - Python asks it for names

# fmt: on

__all__ = [
    "INNER", "Basic", "Bound", "CanceledError", "Cond", "ConnPool", "Connected", "ConnectingError",
    "Disposed", "DisposedError", "DisposedHandlers", "FnWait", "Graph", "HelpersError",
    "HistoryApi", "HistoryConfig", "HistoryError", "HistoryFile", "LoopError", "MachineError",
    "MachineRecord", "MemoryHistory", "Pipe", "PipeError", "PipeLoopError", "PipeRefusedError",
    "Query", "QueryError", "RenderError", "RendererMissing", "Request", "Route", "SqliteHistory",
    "SqliteStore", "StateLoop", "TaskPool", "TimeRecord", "TransitionRecord", "WaitTimeoutError",
    "Watchdog", "activations", "add_async", "add_err_connecting", "add_sync", "args_dump",
    "args_dump_keywords", "args_load", "args_load_keywords", "args_log", "args_names",
    "args_to_args", "ask_add", "ask_remove", "assert_any", "assert_err", "assert_is",
    "assert_no_err_ever", "assert_no_err_now", "assert_no_err_queued", "assert_not", "assert_ticks",
    "assert_time", "bind", "bind_add", "bind_any", "bind_connected", "bind_err", "bind_many",
    "bind_ready", "bind_remove", "bind_start", "cant_add", "cant_remove", "common", "copy_schema",
    "d2", "debug_env", "dispose", "dot", "enable_debugging", "group_when", "guest",
    "handler_to_state", "healthcheck", "implements", "interval", "is_debugging", "is_on",
    "load_ipython_extension", "load_machine", "mermaid", "mirror", "on_dispose", "pipes_of",
    "prefix_states", "register_debug_exporter", "remove_multi", "remove_sync", "render",
    "result_to_err", "schema_hash", "sync", "tag_value", "unload_ipython_extension", "wait_for_all",
    "wait_for_any", "when_fn",
]  # fmt: skip


def _publish() -> None:
    """Users and pickles see the public module, whichever room a name is in."""
    for name in __all__:
        value = globals().get(name)
        if hasattr(value, "__name__") and value.__module__.startswith(__name__ + "."):
            value.__module__ = __name__


_publish()
del _publish


def __dir__() -> list[str]:
    return sorted(__all__)
