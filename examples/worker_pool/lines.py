"""How the processes of the demo tell it what happens: JSON, one object a line, on stdout."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import trio


def tell(event: str, **data: Any) -> None:
    """Write one line."""
    print(json.dumps({"event": event, **data}), flush=True)


async def heard(stream: trio.abc.ReceiveStream) -> AsyncIterator[dict[str, Any]]:
    """The objects of a process's stdout, one after the other.

    What else is printed there, such as the log of an engine, is passed over.
    """
    pending = b""
    async for chunk in stream:
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            if line.startswith(b"{"):
                yield json.loads(line)
