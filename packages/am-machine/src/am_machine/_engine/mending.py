"""What is done when something leaves the outermost call before its end.

Whatever is raised wherever, and be it between two lines: afterwards the machine is idle, its queue
usable, its activity that of its ticks. The outermost call sees to it (`interrupted`), and if it
cannot, because no stack is left for it, the next call does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._waits import waiting
from .draining import drained, drop_queue
from .procedure import settle_watch
from .recovery import agree

if TYPE_CHECKING:
    from .machine import Machine


def interrupted(machine: Machine) -> None:
    """Something left the outermost call: make sure that nothing is left half done.

    Plain stores come first, since there may be no stack left for calls; then what they leave is
    mended by the next call.
    """
    machine._is_dirty = True
    machine._is_noting = False
    machine._fast = None
    machine._draining = False
    machine._plan = machine._mutation = machine._handling = machine._transition = None
    machine._cause = machine._troubles = None
    machine._attention = False
    machine._cell._running = None
    mend(machine)


def mend(machine: Machine) -> None:
    """Be idle in earnest: whatever step was skipped is made up for. Harmless if none was."""
    token, machine._token = machine._token, None
    machine._cell.leave(token)
    if machine._is_stale or machine._is_rebound:
        machine._renew_plans()
    agree(machine)
    _expire_missed(machine)
    drop_queue(machine)
    waiting.wake_unasked(machine)
    settle_watch(machine, (1 << len(machine._ticks)) - 1)
    for journal in machine._listening.journals:
        # It may have missed what happened.
        journal.rebase()
        journal.note_handlers()
    machine._is_dirty = False
    machine._retune()
    drained(machine)


def _expire_missed(machine: Machine) -> None:
    """Contexts and tasks end whose state has moved on."""
    dependents = machine._dependents
    if dependents is None:
        return
    ticks, mask = machine._ticks, machine._conf.mask
    moved = [
        i
        for i, known in list(dependents.contexts.items())
        if (context := known()) is not None and context.tick != ticks[i]
    ]
    over = [i for i in dependents.active_tasks if not mask >> i & 1]
    over += [i for i in dependents.inactive_tasks if mask >> i & 1]
    dependents.expire(machine, [*moved, *over])
