"""The instruments: their names, kinds, units, attributes and levels. Names are stable API.

Pages are generated from this table, and everything that is created on a meter comes from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

METER = "asyncmachine"
MACHINE_ID = "am.machine.id"
RESULT = "am.result"
MUTATION = "am.mutation"
AUTO = "am.auto"
HANDLER_KIND = "am.handler.kind"
ERROR_TYPE = "error.type"
STATE = "am.state"

BOUNDS = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)
"""Upper bounds of the histograms' buckets, in seconds."""


class Kind(StrEnum):
    """What an instrument is; all but histograms are read when somebody collects."""

    COUNTER = "counter"
    GAUGE = "gauge"
    UP_DOWN = "up-down counter"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Instrument:
    """One row of the table.

    `level` is the level of listening that it takes: 0 reads the machine, 1 the journal, 2 exists
    only while a tracer is bound. Without `by_machine` it belongs to the process.
    """

    name: str
    kind: Kind
    unit: str
    about: str
    level: int = 0
    attributes: tuple[str, ...] = ()
    by_machine: bool = True


_C, _G, _U, _H = Kind.COUNTER, Kind.GAUGE, Kind.UP_DOWN, Kind.HISTOGRAM

TRANSITIONS = Instrument(
    "am.transitions", _C, "{transition}", "Transitions that ended, checks aside.", 1,
    (RESULT, MUTATION, AUTO),
)  # fmt: skip
TRANSITION_TIME = Instrument(
    "am.transition.time", _C, "s", "Time spent in transitions.", 2,
)  # fmt: skip
TRANSITION_DURATION = Instrument(
    "am.transition.duration", _H, "s", "How long transitions took, sampled.", 2,
)  # fmt: skip
TRANSITION_TICKS = Instrument(
    "am.transition.ticks", _C, "{tick}", "Growth of machine time.",
)  # fmt: skip
TRANSITION_STEPS = Instrument(
    "am.transition.steps", _C, "{step}", "Steps of transitions, while they are recorded.", 2,
)  # fmt: skip
HANDLERS = Instrument(
    "am.handlers", _C, "{call}", "Calls of handlers.", 2, (HANDLER_KIND,),
)  # fmt: skip
HANDLER_DURATION = Instrument(
    "am.handler.duration", _H, "s", "How long calls of handlers took, sampled.", 2,
)  # fmt: skip
STATES_ADDED = Instrument(
    "am.states.added", _C, "{state}", "States that transitions activated.", 1,
)  # fmt: skip
STATES_REMOVED = Instrument(
    "am.states.removed", _C, "{state}", "States that transitions deactivated.", 1,
)  # fmt: skip
STATES_TOUCHED = Instrument(
    "am.states.touched", _C, "{state}", "States that transitions considered.", 1,
)  # fmt: skip
STATES_ACTIVE = Instrument("am.states.active", _G, "{state}", "States active now.")
STATES_INACTIVE = Instrument("am.states.inactive", _G, "{state}", "States inactive now.")
STATES = Instrument("am.states", _G, "{state}", "States of the schema.")
RELATIONS = Instrument(
    "am.relations", _G, "{relation}", "Relations of the schema: one for each list of states.",
)  # fmt: skip
RELATION_REFS = Instrument(
    "am.relation.refs", _G, "{state}", "States that the relations of the schema name.",
)  # fmt: skip
QUEUE_SIZE = Instrument("am.queue.size", _G, "{mutation}", "Mutations that wait now.")
QUEUE_PEAK = Instrument(
    "am.queue.peak", _G, "{mutation}", "Most mutations that waited since the last collection.", 2,
)  # fmt: skip
MUTATIONS_QUEUED = Instrument(
    "am.mutations.queued", _C, "{mutation}", "Mutations put into the queue.", 2,
)  # fmt: skip
MUTATIONS_DROPPED = Instrument(
    "am.mutations.dropped", _C, "{mutation}", "Mutations refused because the queue was full.",
)  # fmt: skip
ERRORS = Instrument(
    "am.errors", _C, "{error}", "Errors, by error state or class of exception.", 1, (ERROR_TYPE,),
)  # fmt: skip
MACHINES = Instrument("am.machines", _U, "{machine}", "Live machines.")
STATE_ACTIVE = Instrument(
    "am.state.active", _G, "", "Machines in which the state is active.", 0, (STATE,),
)  # fmt: skip
STATE_TICKS = Instrument(
    "am.state.ticks", _C, "{tick}", "Growth of the state's clock.", 0, (STATE,),
)  # fmt: skip
STATE_ACTIVE_TIME = Instrument(
    "am.state.active.time", _C, "s", "How long the state was active.", 1, (STATE,),
)  # fmt: skip

OF_PROCESS = (
    Instrument(
        "am.telemetry.errors", _C, "{error}", "Failures inside of telemetry.", by_machine=False
    ),
    Instrument(
        "am.dbg.sent", _C, "{entry}", "Entries sent to debuggers.", by_machine=False
    ),
    Instrument(
        "am.dbg.dropped", _C, "{entry}", "Entries dropped for debuggers.", by_machine=False
    ),
    Instrument("am.dbg.bytes", _C, "By", "Bytes sent to debuggers.", by_machine=False),
    Instrument(
        "am.dbg.buffer", _G, "{entry}", "Entries that wait for debuggers now.", by_machine=False
    ),
    Instrument("am.dbg.connected", _G, "", "Debuggers connected now.", by_machine=False),
)  # fmt: skip
"""What telemetry tells of itself."""

OF_STATES = (STATE_ACTIVE, STATE_TICKS, STATE_ACTIVE_TIME)
"""Only for states that were asked for."""

OF_MACHINES = (
    TRANSITIONS, TRANSITION_TIME, TRANSITION_DURATION, TRANSITION_TICKS, TRANSITION_STEPS, HANDLERS,
    HANDLER_DURATION, STATES_ADDED, STATES_REMOVED, STATES_TOUCHED, STATES_ACTIVE, STATES_INACTIVE,
    STATES, RELATIONS, RELATION_REFS, QUEUE_SIZE, QUEUE_PEAK, MUTATIONS_QUEUED, MUTATIONS_DROPPED,
    ERRORS, MACHINES,
)  # fmt: skip

INSTRUMENTS = (*OF_MACHINES, *OF_PROCESS, *OF_STATES)
"""All of them, in the order of the pages."""
