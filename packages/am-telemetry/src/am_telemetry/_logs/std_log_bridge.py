"""Fields for formatters of the standard library's logging."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from opentelemetry import trace

import am_machine as am

if TYPE_CHECKING:
    from typing import Self

ENGINE = "am_machine"
"""The logger that all machines write to."""
# Levels by those of the standard library; two of them are told apart by what lines begin with.
_LEVELS = {
    logging.DEBUG: am.LogLevel.OPS,
    8: am.LogLevel.DECISIONS,
    5: am.LogLevel.EVERYTHING,
    logging.ERROR: am.LogLevel.CHANGES,
}
_CHANGES = (
    "[state]", "[auto_]", "[import]", "[breakpoint]", "[handler:timeout]", "[resolver]", "[error",
)  # fmt: skip


class _Fields(logging.Filter):
    """Adds the fields to the records of machines that are bound, and empty ones to the others."""

    def __init__(self) -> None:
        super().__init__()
        self.machines: WeakValueDictionary[str, am.BaseMachine] = WeakValueDictionary()
        self.users = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Never leaves a record out."""
        fields: Any = record
        fields.tx = fields.level = fields.trace_id = fields.span_id = ""
        machine = self.machines.get(getattr(record, "machine", ""))
        if machine is not None:
            transition = machine.transition
            if transition is not None:
                fields.tx = transition.id
            fields.level = level_of(record).name
            context = trace.get_current_span().get_span_context()
            if context.is_valid:
                fields.trace_id = trace.format_trace_id(context.trace_id)
                fields.span_id = trace.format_span_id(context.span_id)
        return True


def level_of(record: logging.LogRecord) -> am.LogLevel:
    """Return the level that a machine's line had."""
    if record.levelno == logging.INFO:
        is_change = record.getMessage().startswith(_CHANGES)
        return am.LogLevel.CHANGES if is_change else am.LogLevel.EXTERNAL
    return _LEVELS.get(record.levelno, am.LogLevel.EXTERNAL)


_fields = _Fields()


class StdLogBridge:
    """Gives records of a machine in the logger `am_machine` fields for structured formatters, from
    its making until `close`.

    The engine's `record.machine` (the id) is joined by `tx` (the id of the running transition),
    `level` (`CHANGES`, `OPS` …), `trace_id` and `span_id` (hex, of the current span); each is empty
    where there is none, also in records of other machines. It writes nothing itself, and leaves
    log levels as they are.
    """

    def __init__(self, machine: am.BaseMachine) -> None:
        self._id: str | None = machine.id
        _fields.machines[machine.id] = machine
        _fields.users += 1
        logging.getLogger(ENGINE).addFilter(_fields)

    def close(self) -> None:
        """Add no more fields. Again: nothing."""
        if self._id is None:
            return
        _fields.machines.pop(self._id, None)
        self._id = None
        _fields.users -= 1
        if not _fields.users:
            logging.getLogger(ENGINE).removeFilter(_fields)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
