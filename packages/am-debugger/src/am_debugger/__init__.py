"""`am-dbg`: a time-travelling debugger for many machines in many processes.

It is a program; what may be imported are its version and its errors. The rooms, bottom first:

* `_store`: what is held of each machine, as columns;  `_derive`: what follows from it
* `_core`: the debugger's own machine: time travel, filters, panes, work
* `_feed`: what comes in over the network and goes on;  `_files`: dumps
* `_web`: outputs in a browser;  `_ui`: the screen, the one room that knows textual
* `_cli`: the command
"""

from .__about__ import __version__ as __version__
from ._errors import BadMessageError as BadMessageError
from ._errors import CannotListenError as CannotListenError
from ._errors import DebuggerError as DebuggerError
from ._errors import DumpError as DumpError
from ._errors import QueryError as QueryError
from ._errors import UrlError as UrlError

__all__ = [
    "BadMessageError",
    "CannotListenError",
    "DebuggerError",
    "DumpError",
    "QueryError",
    "UrlError",
    "__version__",
]


def _publish() -> None:
    """Users and pickles see the public module."""
    for name in __all__:
        value = globals()[name]
        if hasattr(value, "__name__") and value.__module__.startswith(__name__ + "."):
            value.__module__ = __name__


_publish()
del _publish
