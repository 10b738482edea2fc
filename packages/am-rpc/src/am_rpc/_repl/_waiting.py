"""Commands that wait for a machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._find import check_states, find_peer, live_net
from ._outcome import Code, CommandError, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import am_machine as am

    from .._client.network_machine import NetworkMachine
    from ._machine import Repl


def _net(repl: Repl, mach: str, states: Iterable[str]) -> NetworkMachine:
    net = live_net(find_peer(repl.pool.peers, mach))
    check_states(net, states)
    return net


async def _ticks_after(net: NetworkMachine, wait: am.Wait, states: Iterable[str]) -> Outcome:
    """Wait, then tell the ticks of the states that were waited for."""
    try:
        met = await wait
    finally:
        wait.cancel()
    if not met:
        raise CommandError(Code.NOT_CONNECTED, f"{net.remote_id} is gone")
    clock = net.clock(*dict.fromkeys(states))
    told = " ".join(f"{state}:{tick}" for state, tick in clock.items())
    return Outcome(data={"id": net.remote_id, "ticks": clock}, lines=(told,))


async def when(repl: Repl, mach: str, states: tuple[str, ...]) -> Outcome:
    """Wait until all the states are active."""
    net = _net(repl, mach, states)
    return await _ticks_after(net, net.when(*states), states)


async def when_not(repl: Repl, mach: str, states: tuple[str, ...]) -> Outcome:
    """Wait until none of the states is active."""
    net = _net(repl, mach, states)
    return await _ticks_after(net, net.when_not(*states), states)


async def when_time(repl: Repl, mach: str, ticks: Mapping[str, int]) -> Outcome:
    """Wait until each state has reached its tick."""
    net = _net(repl, mach, ticks)
    return await _ticks_after(net, net.when_time(ticks), ticks)


async def when_args(repl: Repl, mach: str, state: str, args: Mapping[str, Any]) -> Outcome:
    """Wait until the state is entered with these args."""
    net = _net(repl, mach, (state,))
    return await _ticks_after(net, net.when_args(state, **args), (state,))
