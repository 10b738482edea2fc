"""The command that tells what a machine does, as it does it."""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING, Any

import trio

import am_machine as am

from ._find import check_states, find_peer, live_net
from ._outcome import Code, CommandError, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._client.network_machine import NetworkMachine
    from ._machine import Repl


class _Watcher(am.Tracer):
    """Calls `tell` with each change of some states, of all if none are named."""

    def __init__(
        self, net: NetworkMachine, states: tuple[str, ...], tell: Callable[[Outcome], None]
    ) -> None:
        self._net = net
        self._states = frozenset(states)
        self._tell = tell

    def transition_end(self, transition: am.Transition) -> None:
        """Tell which states came, went, or moved without either."""
        names = self._net.schema.names
        before, after = transition.time_before, transition.time_after
        # A schema may have grown in between: what it gained began at 0.
        older = (*before, *(0,) * (len(names) - len(before)))
        moved = {
            name: (was, now)
            for name, was, now in zip(names, older, after, strict=True)
            if was != now and (not self._states or name in self._states)
        }
        if moved:
            self._tell(_change(self._net.remote_id, moved))


def _change(machine: str, moved: dict[str, tuple[int, int]]) -> Outcome:
    signs = {name: _sign(was, now) for name, (was, now) in moved.items()}
    told = " ".join(f"{signs[name]}{name}:{now}" for name, (_, now) in moved.items())
    data: dict[str, Any] = {"id": machine, "ticks": {name: now for name, (_, now) in moved.items()}}
    data["added"] = [name for name, sign in signs.items() if sign == "+"]
    data["removed"] = [name for name, sign in signs.items() if sign == "-"]
    clock = datetime.now().astimezone()
    data["at"] = clock.isoformat(timespec="milliseconds")
    return Outcome(data=data, lines=(f"{clock:%H:%M:%S}.{clock.microsecond // 1000:03} {told}",))


def _sign(was: int, now: int) -> str:
    """`+` came, `-` went, `~` was left and entered again, or the other way round."""
    if now % 2 == was % 2:
        return "~"
    return "+" if now % 2 else "-"


async def watch(
    repl: Repl, mach: str, states: tuple[str, ...], *, within: float | None, count: int | None
) -> Outcome:
    """Show each change of a machine, until so many were shown or so many seconds have passed."""
    net = live_net(find_peer(repl.pool.peers, mach))
    check_states(net, states)
    gone = net.when_disposed()
    enough = trio.CancelScope(deadline=trio.current_time() + (within or repl.timeout or math.inf))
    left = math.inf if count is None else count

    def tell(change: Outcome) -> None:
        nonlocal left
        if left > 0:
            repl.show("watch", change)
            left -= 1
        if left <= 0:
            enough.cancel()

    watcher = _Watcher(net, states, tell)
    net.bind_tracer(watcher)
    try:
        with enough:
            await gone
            raise CommandError(Code.NOT_CONNECTED, f"{net.remote_id} is gone")
    finally:
        gone.cancel()
        net.detach_tracer(watcher)
    if left > 0 and count is not None:
        raise CommandError(Code.TIMEOUT, f"{count - left:g} of {count} changes")
    return Outcome(data={"id": net.remote_id})
