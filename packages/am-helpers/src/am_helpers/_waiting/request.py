"""Mutations that are tried again while they are refused. Needs the extra ``[retry]``.

tenacity does the repeating: it runs under trio, repeats on *results*, and keeps no process-wide
state. Its own time stops read the system's clock, so the limit on the duration is a stop of ours
on trio's clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import trio

import am_machine as am

from .._errors import CanceledError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenacity import RetryCallState

try:
    import tenacity
except ImportError as exc:
    raise ImportError("Request needs tenacity: install am-helpers[retry]") from exc


@dataclass(frozen=True)
class Request:
    """An add or remove to be repeated while it is canceled; immutable, each setting is a copy.

    ``await Request.add(mach, "Foo", x=1).retries(3).run()``
    """

    mach: am.MachineApi
    kind: Literal["add", "remove"]
    states: tuple[str, ...]
    args: Mapping[str, Any]
    _retries: int = field(default=10, kw_only=True)
    _delay: float = field(default=0.1, kw_only=True)
    _backoff: float = field(default=5.0, kw_only=True)
    _max_duration: float = field(default=5.0, kw_only=True)

    @classmethod
    def add(cls, mach: am.MachineApi, /, *states: str, **args: Any) -> Request:
        """A request to add states."""
        return cls(mach, "add", states, args)

    @classmethod
    def remove(cls, mach: am.MachineApi, /, *states: str, **args: Any) -> Request:
        """A request to remove states."""
        return cls(mach, "remove", states, args)

    def retries(self, count: int) -> Request:
        """Repeat at most ``count`` times after the first try; 10 unless set."""
        return replace(self, _retries=_not_negative(count))

    def delay(self, seconds: float) -> Request:
        """Wait so long before the first repetition, twice as long before each next; 0.1 s."""
        return replace(self, _delay=_not_negative(seconds))

    def backoff(self, seconds: float) -> Request:
        """The longest wait between tries, 5 s unless set; 0 makes every wait the `delay`."""
        return replace(self, _backoff=_not_negative(seconds))

    def max_duration(self, seconds: float) -> Request:
        """Begin no wait that would end later than this after the start; 5 s unless set."""
        return replace(self, _max_duration=_not_negative(seconds))

    def with_(self, *, mach: am.MachineApi) -> Request:
        """The same request to another machine."""
        return replace(self, mach=mach)

    async def run(self) -> am.Result:
        """Mutate and await the outcome, until it is executed. Returns ``EXECUTED``.

        Cancelled midway, it leaves nothing behind but what the tries so far did.

        :raises CanceledError: if tries or time are spent, with the number of tries; at once if
            the machine is disposed.
        :raises am.UnknownStateError: for unknown states; wrong args raise `am.ArgsError`. Neither
            is tried again.
        """
        start = trio.current_time()
        disposed = self.mach.when_disposed()
        last: list[RetryCallState] = []

        def over(state: RetryCallState) -> bool:
            waited = trio.current_time() - start + state.upcoming_sleep
            out_of_time = waited > self._max_duration
            return self.mach.disposed or out_of_time or state.attempt_number > self._retries

        async def pause(seconds: float) -> None:
            with trio.move_on_after(seconds):
                await disposed

        def spent(state: RetryCallState) -> am.Result:
            last.append(state)
            return am.CANCELED

        retrying = tenacity.AsyncRetrying(
            sleep=pause,
            wait=tenacity.wait_exponential(multiplier=self._delay, max=self._backoff)
            if self._backoff
            else tenacity.wait_fixed(self._delay),
            stop=over,
            retry=tenacity.retry_if_result(lambda result: result is not am.EXECUTED),
            retry_error_callback=spent,
        )
        result: am.Result = await retrying(self._mutate)
        if result is am.EXECUTED:
            return result
        tries = last[0].attempt_number
        what = f"{self.kind} {' '.join(self.states)} to {self.mach.id}"
        raise CanceledError(f"{what} was canceled, tries: {tries}", tries)

    async def _mutate(self) -> am.Result:
        mutate = self.mach.add if self.kind == "add" else self.mach.remove
        return await mutate(*self.states, **self.args)


def _not_negative(value: Any) -> Any:
    if value < 0:
        raise ValueError("must not be negative")
    return value
