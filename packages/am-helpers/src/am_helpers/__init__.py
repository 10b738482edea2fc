"""Reusable schemas, pipes, waiting, history and diagrams for asyncmachine.

Everything here is built on the public names of `am_machine` and works on any `am.MachineApi`, local
or remote. ``import am_helpers`` loads am_machine only.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._calls import add_async as add_async
from ._calls import add_sync as add_sync
from ._calls import ask_add as ask_add
from ._calls import ask_remove as ask_remove
from ._calls import cant_add as cant_add
from ._calls import cant_remove as cant_remove
from ._calls import remove_multi as remove_multi
from ._calls import remove_sync as remove_sync
from ._calls import result_to_err as result_to_err
from ._disposal import DisposedHandlers as DisposedHandlers
from ._disposal import dispose as dispose
from ._disposal import on_dispose as on_dispose
from ._env import common as common
from ._env import debug_env as debug_env
from ._env import enable_debugging as enable_debugging
from ._env import is_debugging as is_debugging
from ._env import register_debug_exporter as register_debug_exporter
from ._errors import CanceledError as CanceledError
from ._errors import ConnectingError as ConnectingError
from ._errors import DisposedError as DisposedError
from ._errors import HelpersError as HelpersError
from ._errors import HistoryError as HistoryError
from ._errors import LoopError as LoopError
from ._errors import MachineError as MachineError
from ._errors import PipeError as PipeError
from ._errors import PipeLoopError as PipeLoopError
from ._errors import PipeRefusedError as PipeRefusedError
from ._errors import QueryError as QueryError
from ._errors import RendererMissing as RendererMissing
from ._errors import RenderError as RenderError
from ._errors import WaitTimeoutError as WaitTimeoutError
from ._health import healthcheck as healthcheck
from ._mirror import mirror as mirror
from ._names import handler_to_state as handler_to_state
from ._names import implements as implements
from ._pipe import Pipe as Pipe
from ._pipe import Route as Route
from ._pipe import pipes_of as pipes_of
from ._pipes import bind as bind
from ._pipes import bind_add as bind_add
from ._pipes import bind_any as bind_any
from ._pipes import bind_connected as bind_connected
from ._pipes import bind_err as bind_err
from ._pipes import bind_many as bind_many
from ._pipes import bind_ready as bind_ready
from ._pipes import bind_remove as bind_remove
from ._pipes import bind_start as bind_start
from ._pipes import sync as sync
from ._schema_tools import copy_schema as copy_schema
from ._schema_tools import prefix_states as prefix_states
from ._schema_tools import schema_hash as schema_hash
from ._schema_tools import tag_value as tag_value
from ._schemas import Basic as Basic
from ._schemas import Connected as Connected
from ._schemas import ConnPool as ConnPool
from ._schemas import Disposed as Disposed
from ._schemas import add_err_connecting as add_err_connecting
from ._state_loop import StateLoop as StateLoop
from ._task_pool import TaskPool as TaskPool
from ._typed_args import args_dump as args_dump
from ._typed_args import args_load as args_load
from ._typed_args import args_log as args_log
from ._typed_args import args_names as args_names
from ._typed_args import args_to_args as args_to_args
from ._waiting import FnWait as FnWait
from ._waiting import activations as activations
from ._waiting import group_when as group_when
from ._waiting import interval as interval
from ._waiting import wait_for_all as wait_for_all
from ._waiting import wait_for_any as wait_for_any
from ._waiting import when_fn as when_fn
from ._watchdog import Watchdog as Watchdog

__all__ = [
    "Basic",
    "Bound",
    "CanceledError",
    "Cond",
    "ConnPool",
    "Connected",
    "ConnectingError",
    "Disposed",
    "DisposedError",
    "DisposedHandlers",
    "FnWait",
    "Graph",
    "HelpersError",
    "HistoryApi",
    "HistoryConfig",
    "HistoryError",
    "HistoryFile",
    "LoopError",
    "MachineError",
    "MachineRecord",
    "MemoryHistory",
    "Pipe",
    "PipeError",
    "PipeLoopError",
    "PipeRefusedError",
    "Query",
    "QueryError",
    "RenderError",
    "RendererMissing",
    "Request",
    "Route",
    "SqliteHistory",
    "SqliteStore",
    "StateLoop",
    "TaskPool",
    "TimeRecord",
    "TransitionRecord",
    "WaitTimeoutError",
    "Watchdog",
    "activations",
    "add_async",
    "add_err_connecting",
    "add_sync",
    "args_dump",
    "args_load",
    "args_log",
    "args_names",
    "args_to_args",
    "ask_add",
    "ask_remove",
    "bind",
    "bind_add",
    "bind_any",
    "bind_connected",
    "bind_err",
    "bind_many",
    "bind_ready",
    "bind_remove",
    "bind_start",
    "cant_add",
    "cant_remove",
    "common",
    "copy_schema",
    "d2",
    "debug_env",
    "dispose",
    "enable_debugging",
    "group_when",
    "handler_to_state",
    "healthcheck",
    "implements",
    "interval",
    "is_debugging",
    "load_machine",
    "mermaid",
    "mirror",
    "on_dispose",
    "pipes_of",
    "prefix_states",
    "register_debug_exporter",
    "remove_multi",
    "remove_sync",
    "render",
    "result_to_err",
    "schema_hash",
    "sync",
    "tag_value",
    "wait_for_all",
    "wait_for_any",
    "when_fn",
]

# Parts that need an extra, or load heavy modules, are imported when they are first asked for.
_LAZY = {
    "Cond": "_cond",
    "mermaid": "_diagrams._mermaid",
    "assert_any": "testing",
    "assert_err": "testing",
    "assert_is": "testing",
    "assert_no_err_ever": "testing",
    "assert_no_err_now": "testing",
    "assert_no_err_queued": "testing",
    "assert_not": "testing",
    "assert_ticks": "testing",
    "assert_time": "testing",
    "d2": "_diagrams._d2",
    "render": "_diagrams._render",
    "Graph": "_graph",
    "Request": "_request",
    "HistoryApi": "_history._api",
    "Bound": "_history._model",
    "HistoryConfig": "_history._model",
    "MachineRecord": "_history._model",
    "Query": "_history._model",
    "TimeRecord": "_history._model",
    "TransitionRecord": "_history._model",
    "MemoryHistory": "_history._memory",
    "SqliteHistory": "_history._sqlite",
    "SqliteStore": "_history._store",
    "HistoryFile": "_history._file",
    "load_machine": "_history._restore",
    "load_ipython_extension": "_notebook",
    "unload_ipython_extension": "_notebook",
}

# Public submodules that are there without an import of their own: `amh.guest.open_host()`.
_SUBMODULES = ("guest",)

if TYPE_CHECKING:
    from . import guest as guest
    from ._cond import Cond as Cond
    from ._diagrams._d2 import d2 as d2
    from ._diagrams._mermaid import mermaid as mermaid
    from ._diagrams._render import render as render
    from ._graph import Graph as Graph
    from ._history._api import HistoryApi as HistoryApi
    from ._history._file import HistoryFile as HistoryFile
    from ._history._memory import MemoryHistory as MemoryHistory
    from ._history._model import Bound as Bound
    from ._history._model import HistoryConfig as HistoryConfig
    from ._history._model import MachineRecord as MachineRecord
    from ._history._model import Query as Query
    from ._history._model import TimeRecord as TimeRecord
    from ._history._model import TransitionRecord as TransitionRecord
    from ._history._restore import load_machine as load_machine
    from ._history._sqlite import SqliteHistory as SqliteHistory
    from ._history._store import SqliteStore as SqliteStore
    from ._request import Request as Request


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return import_module(f".{name}", __name__)
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{module}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
