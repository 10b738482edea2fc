"""Waiting for several things at once, with a time limit and an eye on errors.

The waits given stay the caller's: the tasks made here to await them are cancelled, the waits are
not. Only a trio task can wait here; a cancellation from outside passes through and leaves nothing
behind.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import trio

import am_machine as am

from .._env.debug_mode import stretch
from .._errors import DisposedError, MachineError, WaitTimeoutError
from .._names import check_states
from .forks import fork_or

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    Waitable = am.Wait | Awaitable[object]

T = TypeVar("T")


class _Round:
    """One waiting call: what is done, and what ended it early. It raises nothing in a nursery."""

    def __init__(self, waits: tuple[Waitable, ...], *, needed: int) -> None:
        self.waits = waits
        self.needed = needed
        self.done: set[int] = set()
        self.failure: BaseException | None = None
        self.scope = trio.CancelScope()

    @property
    def over(self) -> bool:
        return self.failure is not None or len(self.done) >= self.needed

    async def take_done(self) -> None:
        """Take what is done already, lowest index first; awaiting it is only a checkpoint."""
        for index, wait in enumerate(self.waits):
            if isinstance(wait, am.Wait) and wait.done and index not in self.done:
                await self.watch(index)

    async def watch(self, index: int) -> None:
        wait = self.waits[index]
        try:
            met = await wait
        except Exception as exc:
            self.fail(exc)
            return
        if met is False and isinstance(wait, am.Wait):
            self.fail(DisposedError(f"ended by dispose or cancel: {_name(wait)}"))
            return
        self.done.add(index)
        if self.over:
            self.scope.cancel()

    async def watch_errors(self, mach: am.MachineApi, failing: am.Wait) -> None:
        if await failing:
            self.fail(machine_error(mach))
        else:
            self.fail(DisposedError(f"{mach.id} was disposed"))

    def fail(self, exc: BaseException) -> None:
        if self.failure is None:
            self.failure = exc
        self.scope.cancel()


async def wait_for_all(
    *waits: Waitable,
    timeout: float,  # noqa: ASYNC109 - it names the open waits, which no outer scope could
    err: am.MachineApi | None = None,
) -> None:
    """Wait until every one of ``waits`` is done; none given returns at once.

    ``timeout`` is in seconds. Always a checkpoint; may be called from any trio task.

    :raises WaitTimeoutError: if some are still open after ``timeout``; it names them.
    :raises MachineError: if ``err`` is given and its ``Exception`` is, or becomes, active first.
    :raises DisposedError: if a wait ended because its machine was disposed.
    """
    await _wait(_Round(waits, needed=len(waits)), timeout, err)


async def wait_for_any(
    *waits: Waitable,
    timeout: float,  # noqa: ASYNC109 - as above
    err: am.MachineApi | None = None,
) -> int:
    """Wait until one of ``waits`` is done and return its index, the lowest one if several are.

    Time-outs and errors are those of `wait_for_all`.

    :raises ValueError: if no wait is given.
    """
    if not waits:
        raise ValueError("wait_for_any needs at least one wait")
    done = await _wait(_Round(waits, needed=1), timeout, err)
    return min(done)


async def _wait(round_: _Round, limit: float, err: am.MachineApi | None) -> set[int]:
    await trio.lowlevel.checkpoint()
    if err is not None and err.is_err:
        raise machine_error(err)
    await round_.take_done()
    seconds = stretch(limit)
    if not round_.over:
        with trio.move_on_after(seconds):
            async with trio.open_nursery() as nursery:
                round_.scope = nursery.cancel_scope
                if err is not None:
                    nursery.start_soon(round_.watch_errors, err, err.when_err())
                for index in range(len(round_.waits)):
                    if index not in round_.done:
                        nursery.start_soon(round_.watch, index)
        if round_.failure is None:
            await round_.take_done()  # tasks run in no fixed order: look again for lower indexes
    if round_.failure is not None:
        raise round_.failure
    if not round_.over:
        still_open = (w for i, w in enumerate(round_.waits) if i not in round_.done)
        raise WaitTimeoutError(tuple(_name(w) for w in still_open), seconds)
    return round_.done


def _name(wait: object) -> str:
    return str(getattr(wait, "label", None) or getattr(wait, "__qualname__", None) or repr(wait))


def machine_error(mach: am.MachineApi) -> MachineError:
    """Describe the present error of a machine, with the original as ``__cause__``."""
    cause = mach.err
    error = MachineError(f"{mach.id}: {cause!r}" if cause else f"{mach.id} is in Exception")
    error.__cause__ = cause
    return error


def group_when(machines: Iterable[am.MachineApi], state: str) -> list[am.Wait]:
    """Return one ``when(state)`` per machine.

    :raises am.UnknownStateError: if any machine lacks the state; then nothing was subscribed.
    """
    group = list(machines)
    for mach in group:
        check_states(mach, (state,))
    return [mach.when(state) for mach in group]


async def interval(fn: Callable[[], object], every: float, total: float) -> None:
    """Call ``fn()`` each ``every`` seconds until it returns ``False`` or ``total`` seconds passed.

    The first call is made after one period. Periods are counted from the start, so a slow ``fn``
    does not shift the later ones; those it missed are skipped.
    """
    if every <= 0:
        raise ValueError("every must be above 0 seconds")
    start = trio.current_time()
    calls = 1
    while calls * every <= total:
        await trio.sleep_until(start + calls * every)
        if fn() is False:
            return
        calls = max(calls, int((trio.current_time() - start) / every)) + 1
    await trio.sleep_until(start + total)


def activations(ticks: int) -> int:
    """Return how often a state with that tick has been activated, counted from tick 0."""
    return (ticks + 1) // 2


class FnWait(am.Wait):
    """The wait of `when_fn`; ``value`` is what the function returned, once the wait is met."""

    value: Any = None


def when_fn(mach: am.MachineApi, fn: Callable[..., T], *args: object) -> FnWait:
    """Run a plain function in a worker thread; the wait is met when it returns.

    An error in it is added to the machine and the wait ends ``False``, as it does on dispose, which
    leaves the thread to finish on its own. On a disposed machine nothing is run.

    :raises am.NotOpenError: if the machine is not open.
    """
    wait = FnWait(f"when_fn {getattr(fn, '__qualname__', fn)!s}")

    async def run() -> None:
        try:
            wait.value = await trio.to_thread.run_sync(partial(fn, *args), abandon_on_cancel=True)
            wait.resolve(True)
        finally:
            if not wait.done:
                wait.resolve(False)

    fork_or(mach, wait.cancel, run)
    return wait
