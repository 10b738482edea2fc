"""A clock-based, relational, multi-state machine on trio.

Declare states and relations (`States`, `State`), make a `Machine`, bind handlers, mutate (`add`,
`remove`, `set`), check (`is_`, `not_`, `any_`) and wait (`when…`). The rooms, each above those that
it knows:

* `_engine`: machines, their queue, one transition from vote to wake-up; `life`, `introspection`
* `_waits`: waits, state contexts, tasks: what lasts until states move
* `_watch`: log lines, tracers, journals: what can be listened to
* `_schema`: states, relations, resolution and plans: values in, values out
* `_causality`, `_result`, `_time`, `_errors` …: what all of them know

Public, too: `am_machine.testing`.
"""

from typing import TYPE_CHECKING

from .__about__ import __version__ as __version__
from ._causality import Source as Source
from ._causality import current_source as current_source
from ._causality import use_source as use_source
from ._engine.base import BaseMachine as BaseMachine
from ._engine.binding import Binding as Binding
from ._engine.machine import Machine as Machine
from ._engine.mutation import Kind as Kind
from ._engine.mutation import Mutation as Mutation
from ._engine.mutation import check_args as check_args
from ._engine.transition import Event as Event
from ._engine.transition import Panic as Panic
from ._engine.transition import Transition as Transition
from ._errors import ArgsError as ArgsError
from ._errors import Error as Error
from ._errors import HandlerError as HandlerError
from ._errors import HandlerTimeoutError as HandlerTimeoutError
from ._errors import NotOpenError as NotOpenError
from ._errors import QueueLoopError as QueueLoopError
from ._errors import SchemaError as SchemaError
from ._errors import UnknownStateError as UnknownStateError
from ._result import CANCELED as CANCELED
from ._result import EXECUTED as EXECUTED
from ._result import Result as Result
from ._schema.schema import Schema as Schema
from ._schema.state import State as State
from ._schema.states import States as States
from ._schema.states import compile_schema as compile_schema
from ._schema.steps import Step as Step
from ._schema.steps import StepKind as StepKind
from ._time import Time as Time
from ._waits.context import Fork as Fork
from ._waits.context import StateContext as StateContext
from ._waits.waits import Wait as Wait
from ._watch.log import LogArgs as LogArgs
from ._watch.log import LogEntry as LogEntry
from ._watch.log import LogLevel as LogLevel
from ._watch.note import Converted as Converted
from ._watch.sem_log import Pipe as Pipe
from ._watch.sem_log import SemLog as SemLog
from ._watch.tracer import Tracer as Tracer

if TYPE_CHECKING:  # loaded when first asked for: most processes look into nothing
    from ._engine.api import MachineApi as MachineApi
    from ._engine.options import MachineOptions as MachineOptions
    from ._engine.pending import Pending as Pending
    from ._engine.pending import PendingItem as PendingItem
    from ._schema.explanation import Explanation as Explanation
    from ._schema.resolution import Resolution as Resolution
    from ._snapshot import Snapshot as Snapshot
    from ._watch.entries import JournalEntry as JournalEntry
    from ._watch.journal import Journal as Journal
    from ._watch.journal_details import JournalDetails as JournalDetails
    from ._watch.part import JournalColumns as JournalColumns
    from ._watch.part import JournalPart as JournalPart
else:
    from ._lazy import load as __getattr__  # noqa: F401 - Python asks it for names

__all__ = [
    "CANCELED", "EXECUTED", "ArgsError", "BaseMachine", "Binding", "Converted", "Error", "Event",
    "Explanation", "Fork", "HandlerError", "HandlerTimeoutError", "Journal", "JournalColumns",
    "JournalDetails", "JournalEntry", "JournalPart", "Kind", "LogArgs", "LogEntry", "LogLevel",
    "Machine", "MachineApi", "MachineOptions", "Mutation", "NotOpenError", "Panic", "Pending",
    "PendingItem", "Pipe", "QueueLoopError", "Resolution", "Result", "Schema", "SchemaError",
    "SemLog", "Snapshot", "Source", "State", "StateContext", "States", "Step", "StepKind", "Time",
    "Tracer", "Transition", "UnknownStateError", "Wait", "__version__", "check_args",
    "compile_schema", "current_source", "use_source",
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
