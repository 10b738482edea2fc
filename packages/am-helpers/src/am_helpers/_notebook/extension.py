"""``%load_ext am_helpers``: machines in a Jupyter notebook.

A kernel runs asyncio, so trio becomes its guest, and ``am_host`` is the way to it. Schemas,
machines, graphs, transitions and explanations are shown as pictures.
"""

from __future__ import annotations

import asyncio
import atexit
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import am_machine as am

from ..guest import load_host
from .pictures import bundle_of

if TYPE_CHECKING:
    from ..guest import Host

NAME = "am_host"
# Graphs by name: their module needs an extra.
SHOWN: tuple[Any, ...] = (
    am.BaseMachine,
    am.Schema,
    am.Transition,
    am.Explanation,
    type(am.States),
    "am_helpers.Graph",
)
CLOSING_LIMIT = 3.0  # seconds; a front end kills a kernel that takes 5 to end


def load_ipython_extension(ipython: Any) -> None:
    """Put ``am_host``, a `am_helpers.guest.Host` on the kernel's loop, into the notebook.

    Also shows what has a diagram as one. Returns at once. When the kernel shuts down, machines are
    disposed and trio ends; what takes longer than 3 seconds is left behind. ``%unload_ext`` does
    not wait for that.

    :raises RuntimeError: if no asyncio loop runs, as in a plain IPython terminal.
    """
    host = load_host()
    formatter = ipython.display_formatter.mimebundle_formatter
    for kind in SHOWN:
        _show(formatter, kind, bundle_of)
    ipython.push({NAME: host}, interactive=False)
    atexit.register(_close_at_exit, host, asyncio.get_running_loop())


def unload_ipython_extension(ipython: Any) -> None:
    """Close ``am_host`` and take it out of the notebook; pictures become text again."""
    formatter = ipython.display_formatter.mimebundle_formatter
    for kind in SHOWN:
        _show(formatter, kind, None)
    host = ipython.user_ns.get(NAME)
    ipython.drop_by_id({NAME: host})
    if host is not None:
        _closing.add(task := asyncio.ensure_future(host.aclose()))
        task.add_done_callback(_closing.discard)


def _show(formatter: Any, kind: Any, bundle: Any) -> None:
    if bundle is None:
        with suppress(KeyError):  # never shown
            formatter.pop(kind)
    elif isinstance(kind, str):
        module, _, name = kind.rpartition(".")
        formatter.for_type_by_name(module, name, bundle)
    else:
        formatter.for_type(kind, bundle)


_closing: set[asyncio.Future[None]] = set()  # the loop holds its tasks weakly


def _close_at_exit(host: Host, loop: asyncio.AbstractEventLoop) -> None:
    """A kernel stops its loop and ends the process; trio's clean-up needs the loop once more."""
    if loop.is_closed() or loop.is_running():
        return

    async def close() -> None:
        await asyncio.wait([asyncio.create_task(host.aclose())], timeout=CLOSING_LIMIT)

    loop.run_until_complete(close())
