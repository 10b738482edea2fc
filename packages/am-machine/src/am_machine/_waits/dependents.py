"""What lives no longer than its machine: contexts, tasks, children, callbacks.

Most machines have none of these; one that has gets a `Dependents`.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any
from weakref import ref

from .._causality import current_source
from .._errors import NotOpenError
from .._trio_loop import poke
from .._watch.log import LogLevel, emit
from .context import Fork, StateContext

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    import trio

    from .._engine.base import BaseMachine

Tasks = dict[Fork, None]


class Dependents:
    """The dependents of one machine."""

    __slots__ = (
        "_ending_tasks", "_gone_children", "active_tasks", "child_refs", "contexts", "disposers",
        "inactive_tasks", "life_tasks", "nursery", "nursery_manager", "token",
    )  # fmt: skip

    def __init__(self) -> None:
        # By state: the context of its current tick, held weakly.
        self.contexts: dict[int, ref[StateContext]] = {}
        # Tasks by the state whose activity, or inactivity, they are bound to; and the others.
        self.active_tasks: dict[int, Tasks] = {}
        self.inactive_tasks: dict[int, Tasks] = {}
        self.life_tasks: Tasks = {}
        # Those whose state is over and who have not ended yet: the next end of the state, of which
        # there may be many before they come to run, is none of theirs.
        self._ending_tasks: Tasks = {}
        self.nursery: trio.Nursery | None = None
        self.nursery_manager: Any = None
        # The trio run of the nursery.
        self.token: trio.lowlevel.TrioToken | None = None
        # Machines made under this one, oldest first, held weakly.
        self.child_refs: dict[ref[BaseMachine], None] = {}
        self._gone_children: deque[ref[BaseMachine]] = deque()
        self.disposers: list[Callable[[Any], object]] = []

    # ---------------------------------------------------------------- children

    def adopt(self, child: BaseMachine) -> None:
        """Note a machine made under this one."""
        gone = self._gone_children
        while gone:
            self.child_refs.pop(gone.popleft(), None)
        # The callback runs in whichever thread drops the child: it may only note.
        self.child_refs[ref(child, gone.append)] = None

    @property
    def children(self) -> tuple[BaseMachine, ...]:
        """Machines made under this one and still alive, oldest first. In any thread."""
        return tuple([child for known in list(self.child_refs) if (child := known()) is not None])

    # ---------------------------------------------------------------- states

    def looks_at(self, state: int) -> bool:
        """Whether a context or a task ends with the state's tick."""
        return state in self.contexts or state in self.active_tasks or state in self.inactive_tasks

    def looked_at(self) -> Iterable[int]:
        """The states that contexts and tasks end with."""
        return {*self.contexts, *self.active_tasks, *self.inactive_tasks}

    def tasks_of(self, fork: Fork) -> Tasks:
        """The tasks bound to what a task is bound to."""
        if fork.state is None:
            return self.life_tasks
        by_state = self.active_tasks if fork.while_active else self.inactive_tasks
        found = by_state.get(fork.state)
        if found is None:
            found = by_state[fork.state] = {}
        return found

    def forget(self, fork: Fork) -> None:
        """A task has ended."""
        if fork.state is None:
            self.life_tasks.pop(fork, None)
            return
        self._ending_tasks.pop(fork, None)
        by_state = self.active_tasks if fork.while_active else self.inactive_tasks
        tasks = by_state.get(fork.state)
        if tasks is not None:
            tasks.pop(fork, None)
            if not tasks:
                del by_state[fork.state]

    @property
    def tasks(self) -> tuple[Fork, ...]:
        """All tasks, oldest first. In any thread."""
        found = list(self.life_tasks)
        for by_state in (self.active_tasks, self.inactive_tasks):
            for tasks in list(by_state.values()):
                found += list(tasks)
        # Last: one that comes to its end meanwhile is seen twice rather than never.
        found += list(self._ending_tasks)
        return tuple(sorted(dict.fromkeys(found), key=lambda fork: fork.since))

    def expire(self, machine: BaseMachine, states: Iterable[int], blips: int = 0) -> None:
        """Contexts and tasks of states whose tick moved come to their end, in this order."""
        active = machine._conf.mask
        for i in states:
            known = self.contexts.get(i) if self.contexts else None
            context = known() if known is not None else None
            if context is not None:
                context.expire()
            if known is not None:
                self.contexts.pop(i, None)
            if context is not None:
                emit(machine, LogLevel.OPS, f"[ctx:match] {context.state}")
            over = blips >> i & 1
            if i in self.active_tasks and (over or not active >> i & 1):
                self._end(self.active_tasks, i)
            if i in self.inactive_tasks and (over or active >> i & 1):
                self._end(self.inactive_tasks, i)

    def expire_all(self) -> None:
        """All contexts expire, and the tasks bound to states end with them."""
        for by_state in (self.active_tasks, self.inactive_tasks):
            for i in list(by_state):
                self._end(by_state, i)
        for i, known in list(self.contexts.items()):
            context = known()
            if context is not None:
                context.expire()
            self.contexts.pop(i, None)

    def cancel_all(self) -> None:
        """All tasks end."""
        for fork in self.tasks:
            fork.cancel()

    def _end(self, by_state: dict[int, Tasks], state: int) -> None:
        """Cancel the tasks of a state that is over."""
        tasks = by_state[state]
        for fork in list(tasks):
            # Cancelled first: one that an interrupt leaves where it was is cancelled once more.
            fork.cancel()
            self._ending_tasks[fork] = None
            tasks.pop(fork, None)
        if not tasks:
            by_state.pop(state, None)


# ------------------------------------------------------------------------------ for machines


def context_of(machine: BaseMachine, state: str, *, inactive: bool) -> StateContext:
    """The context of a state's current tick; expired from the start, if the state is not as the
    context wants it, or the machine is at its end."""
    machine.check_thread()
    i = machine._schema.indexes((state,), machine)[0]
    is_wanted = bool(machine._conf.mask >> i & 1) is not inactive
    dependents = dependents_of(machine)
    known = dependents.contexts.get(i) if is_wanted else None
    found = known() if known is not None else None
    if found is None:
        found = StateContext(machine, machine._schema.names[i], machine._ticks[i])
        if machine.is_ending or not is_wanted:
            found.expire()
            return found
        dependents.contexts[i] = ref(found)
        machine._watch(machine._schema.bits[i])
        emit(machine, LogLevel.OPS, f"[ctx:new] {found.state}")
    return found


def start_task(
    machine: BaseMachine,
    name: str,
    state: int | None,
    while_active: bool,
    fn: Callable[..., Awaitable[Any]],
    args: tuple[Any, ...],
) -> Fork:
    """Start a task in the machine's nursery, bound to a state's (in)activity or to its life.

    :raises NotOpenError: if the machine is not open.
    """
    fork = Fork(name, state, while_active, current_source())
    if machine.is_ending:
        return dead(fork)
    dependents = machine._dependents
    if dependents is None or dependents.nursery is None:
        raise NotOpenError(f"machine {machine.id} is not open: use `async with machine:`")
    fork._token = dependents.token
    dependents.tasks_of(fork)[fork] = None
    if state is not None:
        machine._watch(machine._schema.bits[state])
    dependents.nursery.start_soon(fork.run, machine, fn, args, name=f"{machine.id}/{name}")
    poke(dependents.token)
    return fork


def dead(fork: Fork) -> Fork:
    """A task that never runs."""
    fork.cancel()
    fork.done = True
    return fork


def dead_task(machine: BaseMachine, name: str, state: int) -> Fork:
    """The task of a state that is not active: it never runs."""
    return dead(Fork(name, state, True, current_source()))


def dependents_of(machine: BaseMachine) -> Dependents:
    """The machine's dependents, made on first use."""
    found = machine._dependents
    if found is None:
        found = machine._dependents = Dependents()
    return found
