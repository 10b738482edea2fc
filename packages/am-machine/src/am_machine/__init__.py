"""A clock-based, relational, multi-state machine on trio.

Declare states and relations (`States`, `State`), make a `Machine`, bind handlers, mutate (`add`,
`remove`, `set`), check (`is_`, `not_`, `any_`) and wait (`when…`). Layout of the package:

* `_state`, `_schema`: declarations, compiled to bit masks;  `_resolve`: relations, pure
* `_plans`: resolved mutations, kept;  `_machine`: the queue;  `_engine`: one transition
* `_base`, `_waiting`, `_tasking`, `_queueing`: what a machine offers;  `_waits`, `_context`
* `_handlers`, `_binding`: handlers
* `_voices`, `_log`, `_steps`, `_tracer`, `_journal`: what can be watched
"""

from .__about__ import __version__ as __version__
from ._api import MachineApi as MachineApi
from ._base import BaseMachine as BaseMachine
from ._binding import Binding as Binding
from ._causality import Source as Source
from ._causality import current_source as current_source
from ._causality import use_source as use_source
from ._context import Fork as Fork
from ._context import StateContext as StateContext
from ._errors import ArgsError as ArgsError
from ._errors import Error as Error
from ._errors import HandlerError as HandlerError
from ._errors import HandlerTimeoutError as HandlerTimeoutError
from ._errors import NotOpenError as NotOpenError
from ._errors import SchemaError as SchemaError
from ._errors import UnknownStateError as UnknownStateError
from ._journal import Journal as Journal
from ._journal import JournalEntry as JournalEntry
from ._log import LogArgs as LogArgs
from ._log import LogEntry as LogEntry
from ._log import LogLevel as LogLevel
from ._machine import Machine as Machine
from ._mutation import Kind as Kind
from ._mutation import Mutation as Mutation
from ._mutation import check_args as check_args
from ._resolve import Resolution as Resolution
from ._result import CANCELED as CANCELED
from ._result import EXECUTED as EXECUTED
from ._result import Result as Result
from ._schema import Schema as Schema
from ._schema import compile_schema as compile_schema
from ._snapshot import Snapshot as Snapshot
from ._state import State as State
from ._state import States as States
from ._steps import Pipe as Pipe
from ._steps import SemLog as SemLog
from ._steps import Step as Step
from ._steps import StepKind as StepKind
from ._time import Time as Time
from ._tracer import Tracer as Tracer
from ._transition import Event as Event
from ._transition import Panic as Panic
from ._transition import Transition as Transition
from ._waits import Wait as Wait

__all__ = [
    "CANCELED", "EXECUTED", "ArgsError", "BaseMachine", "Binding", "Error", "Event", "Fork",
    "HandlerError", "HandlerTimeoutError", "Journal", "JournalEntry", "Kind", "LogArgs",
    "LogEntry", "LogLevel", "Machine", "MachineApi", "Mutation", "NotOpenError", "Panic", "Pipe",
    "Resolution", "Result", "Schema", "SchemaError", "SemLog", "Snapshot", "Source", "State",
    "StateContext", "States", "Step", "StepKind", "Time", "Tracer", "Transition",
    "UnknownStateError", "Wait", "__version__", "check_args", "compile_schema", "current_source",
    "use_source",
]  # fmt: skip
