"""How workers share the processors with everybody else.

A process that wakes up usually interrupts the one that runs there. For a worker, that one is often
its own client, in the middle of giving out work to others: each request would stop the next.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def in_background() -> Iterator[None]:
    """Within it, this thread, and those it starts, interrupt nobody when they wake up.

    They get the same share of the processors as before (Linux: ``SCHED_BATCH``, see sched(7)). A
    policy that somebody chose for this process stays, and other systems know none of this kind.
    """
    if not hasattr(os, "SCHED_BATCH") or os.sched_getscheduler(0) != os.SCHED_OTHER:
        yield
        return
    usual = os.sched_param(0)
    with contextlib.suppress(OSError):  # forbidden in some sandboxes, and no reason to fail
        os.sched_setscheduler(0, os.SCHED_BATCH, usual)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_OTHER, usual)
