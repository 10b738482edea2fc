"""What machines did, as traces.

`choice` says what is traced, `facts` what is told of a transition; `tree` has the spans of machines
and states, `transitions` those of transitions, `span_maker` makes both from journals, `nesting`
while transitions run; `consumer` is told by the hub, `trace_tracer` is what users bind.
"""

from .choice import Choice as Choice
from .trace_tracer import TraceTracer as TraceTracer

__all__ = ["Choice", "TraceTracer"]
