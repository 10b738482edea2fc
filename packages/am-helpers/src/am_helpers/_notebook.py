"""``%load_ext am_helpers``: machines in a Jupyter notebook.

A kernel runs asyncio, so trio becomes its guest, and ``am_host`` is the way to it.
"""

from __future__ import annotations

import asyncio
import atexit
from typing import TYPE_CHECKING, Any

from .guest import load_host

if TYPE_CHECKING:
    from .guest import Host

NAME = "am_host"
CLOSING_LIMIT = 3.0  # seconds; a front end kills a kernel that takes 5 to end


def load_ipython_extension(ipython: Any) -> None:
    """Put ``am_host``, a `am_helpers.guest.Host` on the kernel's loop, into the notebook.

    Returns at once. When the kernel shuts down, machines are disposed and trio ends; what takes
    longer than 3 seconds is left behind. ``%unload_ext`` does not wait for that.

    :raises RuntimeError: if no asyncio loop runs, as in a plain IPython terminal.
    """
    host = load_host()
    ipython.push({NAME: host}, interactive=False)
    atexit.register(_close_at_exit, host, asyncio.get_running_loop())


def unload_ipython_extension(ipython: Any) -> None:
    """Close ``am_host`` and take it out of the notebook."""
    host = ipython.user_ns.get(NAME)
    ipython.drop_by_id({NAME: host})
    if host is not None:
        _closing.add(task := asyncio.ensure_future(host.aclose()))
        task.add_done_callback(_closing.discard)


_closing: set[asyncio.Future[None]] = set()  # the loop holds its tasks weakly


def _close_at_exit(host: Host, loop: asyncio.AbstractEventLoop) -> None:
    """A kernel stops its loop and ends the process; trio's clean-up needs the loop once more."""
    if loop.is_closed() or loop.is_running():
        return

    async def close() -> None:
        await asyncio.wait([asyncio.create_task(host.aclose())], timeout=CLOSING_LIMIT)

    loop.run_until_complete(close())
