"""What machines did, as a stream for a debugger. Needs the extra `[dbg]`.

Bottom first: `messages`, `values`, `transitions`, `parse`, `codec`, `encode`, `auth` (values in,
values out); `items`, `outbox`, `records`, `feed`, `detail` (what waits to be told); `stream`,
`connecting` and `greeting`, `telling`, `sender` (one connection after another); `consumer`,
`exporter`, `from_env`; `dump` (the same into a file) and `mirror` (the other side).
"""

from importlib.util import find_spec

from .._errors import MissingExtraError

if find_spec("msgpack") is None:
    raise MissingExtraError("dbg", "the debugger stream")
