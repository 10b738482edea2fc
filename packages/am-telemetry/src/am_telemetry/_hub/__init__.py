"""One thread per process that reads what machines did and feeds everybody who listens.

For consumers: derive from `Consumer`, and `Hub.of_process().attach(consumer, machine)`, which gives
a `Handle` with `detach()`. The hub then calls, all in its own thread but the first:

* `bound(link)` in the machine's thread: a machine came (`MachineLink`: `id`, `parent_id`, `tags`,
  `schema`, `handlers`, `ticks`, `machine`, which is None once it is gone)
* `entries(batch)`: what machines did, `(link, [JournalEntry, …])` sorted by time; only if `level`
  is 1
* `lost(link, count, at)`, `schema_changed(link)`, `gone(link, at)` …
* `tick(now)` at least each 50 ms, `flush(deadline)` when it closes, `forked()` in a child process

Level 2: `link.ask(fn)` calls `fn(machine)` on the machine's own stack, where tracers may be bound
and detached; it may be asked in any thread. `hub.watch(socket, events, fn)` has the hub's thread
wait for a socket, too. `hub.sync()` waits until all until now was told; `hub.close(consumer)`
detaches it everywhere and flushes it. What a consumer raises is counted in `hub.errors`;
`hub.streams.total()` has the numbers of the debugger streams.
"""

from .closing import Closing as Closing
from .consumer import SHARE as SHARE
from .consumer import Batch as Batch
from .consumer import Consumer as Consumer
from .consumer import time_of_last as time_of_last
from .duty import Duty as Duty
from .hub import Hub as Hub
from .link import MachineLink as MachineLink
from .registry import Handle as Handle
from .stats import StreamStats as StreamStats

__all__ = [
    "SHARE",
    "Batch",
    "Closing",
    "Consumer",
    "Duty",
    "Handle",
    "Hub",
    "MachineLink",
    "StreamStats",
    "time_of_last",
]
