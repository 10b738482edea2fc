"""The life of a machine: how it is opened, how it ends.

An end always comes to an end: each of its steps runs, whatever another has raised; what was raised
is raised again afterwards. One that was interrupted goes on where it was by another `dispose`.
"""

from __future__ import annotations

from collections import deque
from threading import get_ident
from typing import TYPE_CHECKING, Any

import trio

from .._causality import watch_tasks
from .._text import repr_of
from .._trio_loop import check_trio
from .._waits import waiting
from .._waits.dependents import dependents_of
from .._watch.log import log_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from .base import BaseMachine

# Stages: an end was asked for, it has begun (nothing can be started any more), it is over.
ALIVE, DISPOSING, ENDING, DISPOSED = 0, 1, 2, 3


async def open_machine(machine: BaseMachine) -> None:
    """Open the nursery of a machine; its owner is this thread from now on.

    :raises RuntimeError: if it was opened before, or no trio runs here.
    """
    check_trio(
        f"`async with` on machine {machine.id}",
        "in an asyncio program open it by `host.open(machine)` of am_helpers.guest",
    )
    dependents = dependents_of(machine)
    if dependents.nursery_manager is not None:
        raise RuntimeError(f"machine {machine.id} was opened before")
    dependents.nursery_manager = trio.open_nursery(strict_exception_groups=True)
    dependents.nursery = await dependents.nursery_manager.__aenter__()
    dependents.token = trio.lowlevel.current_trio_token()
    machine._owner = get_ident()
    watch_tasks()
    machine._fire("machine_open", machine)


async def close_machine(machine: BaseMachine, exc: BaseException | None) -> bool:
    """Leave `async with`: dispose, wait for the tasks, and tell what went wrong.

    The body's own exception leaves bare, unless something else failed too. So does Ctrl+C, which
    may hit any task: whoever runs the program waits for `KeyboardInterrupt`, not for a group.
    """
    errors: list[BaseException] = []
    try:
        machine.dispose()
    except BaseException as error:
        errors.append(error)
    dependents = dependents_of(machine)
    manager, dependents.nursery_manager = dependents.nursery_manager, _CLOSED
    # A cancellation is the nursery's to absorb or pass on; other exceptions of the body are kept
    # away from it, since it would wrap them.
    mine = exc if exc is not None and _has_cancelled(exc) else None
    swallowed = False
    try:
        swallowed = bool(await manager.__aexit__(type(mine) if mine else None, mine, None))
    except BaseExceptionGroup as group:
        if not (mine is not None and len(group.exceptions) == 1 and group.exceptions[0] is mine):
            interrupt = _interrupt_of(group)
            if interrupt is not None:
                errors.append(interrupt)
            elif not errors and exc is None:
                raise
            elif not (exc is not None and group.split(trio.Cancelled)[1] is None):
                errors.append(group)
    except BaseException as error:
        if error is not exc and exc is None:
            errors.append(error)
    finally:
        dependents.nursery = None
    if not errors:
        return swallowed and mine is not None
    if exc is not None and mine is None:
        errors.insert(0, exc)
    raise_all(f"machine {machine.id} ended with errors", errors)
    return False


# Stands for the nursery of a machine that was closed.
_CLOSED: Any = object()


def _interrupt_of(group: BaseExceptionGroup[BaseException]) -> KeyboardInterrupt | None:
    """The interrupt that a group consists of, if there is nothing else in it."""
    interrupts, others = group.split(KeyboardInterrupt)
    if interrupts is None or others is not None:
        return None
    found: BaseException = interrupts
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found if isinstance(found, KeyboardInterrupt) else None


def _has_cancelled(exc: BaseException) -> bool:
    if isinstance(exc, BaseExceptionGroup):
        return exc.split(trio.Cancelled)[0] is not None
    return isinstance(exc, trio.Cancelled)


def end(machine: BaseMachine) -> None:
    """Run the steps of an end, each at least begun once, and raise what they raised."""
    if machine._life == DISPOSED and machine._waits is None:
        return
    errors: list[BaseException] = []
    steps = deque(
        [
            lambda: _begin(machine),
            machine._release_queue,
            lambda: _end_children(machine, errors),
            lambda: machine._fire("machine_dispose", machine),
            lambda: _end_dependents(machine),
            lambda: _run_disposers(machine, errors),
            lambda: waiting.end_waits(machine),
            lambda: _release(machine),
            lambda: _be_disposed(machine),
        ]
    )
    try:
        _run(steps, errors)
    except RecursionError:
        raise
    except BaseException as exc:  # between two steps
        errors.append(exc)
        _run(steps, errors)
    raise_all(f"the end of machine {machine.id} raised", errors)


def _begin(machine: BaseMachine) -> None:
    machine._fast = None
    machine._life = max(machine._life, ENDING)
    machine._retune()


def _run(steps: deque[Callable[[], None]], errors: list[BaseException]) -> None:
    """Run what is left. A step that was interrupted begins again, once: it goes on where it was.

    :raises RecursionError: if there is no stack for a step; another `dispose` goes on from there.
    """
    while steps:
        try:
            steps[0]()
        except BaseException as exc:
            errors.append(exc)
            try:
                steps[0]()
            except RecursionError:
                raise
            except BaseException as again:
                if type(again) is not type(exc):
                    errors.append(again)
        steps.popleft()


def _end_children(machine: BaseMachine, errors: list[BaseException]) -> None:
    for child in reversed(machine.children):
        try:
            child.dispose()
        except BaseException as exc:
            errors.append(exc)
            if isinstance(exc, RecursionError):
                # There is no stack for it: this end waits for the child's.
                raise
            if child.is_ending and not child.disposed:
                # It was interrupted; once more, from there.
                child.dispose()


def _end_dependents(machine: BaseMachine) -> None:
    dependents = machine._dependents
    if dependents is not None:
        dependents.expire_all()
        dependents.cancel_all()


def _run_disposers(machine: BaseMachine, errors: list[BaseException]) -> None:
    dependents = machine._dependents
    # A callback may register another.
    while dependents is not None and dependents.disposers:
        fn = dependents.disposers.pop(0)
        try:
            run_disposer(machine, fn)
        except BaseException as exc:
            errors.append(exc)


def run_disposer(machine: BaseMachine, fn: Callable[[Any], object]) -> None:
    """Call what was registered by `on_dispose`; what it raises is logged."""
    try:
        fn(machine)
    except Exception as exc:
        log_error(machine, f"[dispose] {repr_of(fn)} raised {repr_of(exc)}", exc)


def _release(machine: BaseMachine) -> None:
    """Handlers and tracers are let go."""
    for binding in list(machine._bindings):
        binding.is_attached = False
    machine._bindings = {}
    machine._calls = {}
    machine._renew_plans()
    listening = machine._listening
    if listening.hooks is not None:
        listening.hooks = None
        listening.queue_end = ()
        listening.journals = ()
    machine._retune()


def _be_disposed(machine: BaseMachine) -> None:
    machine._life = DISPOSED
    waiting.end_disposal_waits(machine)


def raise_all(told: str, errors: list[BaseException]) -> None:
    """Raise what was collected: one as it is, several as a group."""
    if not errors:
        return
    if len(errors) == 1 or all(isinstance(exc, RecursionError) for exc in errors):
        # Of a stack that is too deep, one word is enough.
        raise errors[0]
    raise BaseExceptionGroup(told, errors)
