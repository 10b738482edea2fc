"""What machines did, as metrics.

`instruments` is the table of all of them; `counts` adds up entries, `machines` reads a machine,
`detail` has the tracers of level 2; `collecting` makes one reading of it all, which `meter` hands
to OpenTelemetry; `consumer` is told by the hub, `metrics` is what users bind.
"""

from .instruments import INSTRUMENTS as INSTRUMENTS
from .instruments import Instrument as Instrument
from .metrics import Metrics as Metrics

__all__ = ["INSTRUMENTS", "Instrument", "Metrics"]
