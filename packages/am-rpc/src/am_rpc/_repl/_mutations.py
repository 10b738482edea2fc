"""Commands that change states: one machine, or all that match."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final, Literal

import trio

import am_machine as am

from .._errors import NoAccess, RpcError
from ._find import check_states, find_peer, live_net
from ._outcome import Code, CommandError, Outcome, Table, code_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .._client.network_machine import NetworkMachine
    from ._filters import Filters
    from ._machine import Repl

    Kind = Literal["add", "remove", "set", "toggle"]

REFUSED: Final = "refused by the machine"
_PATIENCE: Final = 1.0
"""Seconds for the reason of a refusal, which is known already."""


def _send(
    net: NetworkMachine, kind: Kind, states: tuple[str, ...], args: Mapping[str, Any]
) -> am.Result:
    return {"add": net.add, "remove": net.remove, "set": net.set, "toggle": net.toggle}[kind](
        *states, **args
    )


def _reason(error: BaseException) -> str:
    if isinstance(error, NoAccess):
        return f"no access to {error}"
    return str(error) or type(error).__name__


async def _refusal(net: NetworkMachine, kind: Kind, states: tuple[str, ...]) -> str:
    """Why the machine refused, as far as it tells this client."""
    told: tuple[str, ...] = ()
    if kind != "toggle":
        with trio.move_on_after(_PATIENCE), contextlib.suppress(RpcError):
            told = await net.explain_remote(*states, kind=kind)
    return f"{REFUSED}: {'; '.join(told)}" if told else REFUSED


async def mutate(
    repl: Repl, kind: Kind, mach: str, states: tuple[str, ...], args: Mapping[str, Any]
) -> Outcome:
    """Mutate one machine and wait for the outcome."""
    net = live_net(find_peer(repl.pool.peers, mach))
    check_states(net, states)
    result = _send(net, kind, states, args)
    if await result is am.EXECUTED:
        data = {"id": net.remote_id, "result": "executed", "active": list(net.active)}
        return Outcome(data=data, lines=(f"{net.remote_id} executed {net}",))
    error = result.error
    code = code_of(error) if isinstance(error, RpcError) else Code.NO
    reason = await _refusal(net, kind, states) if error is None else _reason(error)
    return Outcome(
        code,
        data={"id": net.remote_id, "result": "canceled", "active": list(net.active)},
        error=f"{net.remote_id} canceled: {reason}",
    )


async def group_mutate(
    repl: Repl, kind: Kind, states: tuple[str, ...], args: Mapping[str, Any], filters: Filters
) -> Outcome:
    """Mutate every connected machine that matches; OK if all of them executed it."""
    nets = [live_net(peer) for peer in filters.select(repl.pool.connected)]
    if not nets:
        raise CommandError(Code.NO, "no machine matches")
    results: list[am.Result | str] = []
    for net in nets:
        missing = [state for state in states if state not in net.schema]
        if missing:
            results.append(f"no state {' '.join(missing)}")
        else:
            results.append(_send(net, kind, states, args))
    # All are on their way before the first is waited for.
    rows = []
    for net, result in zip(nets, results, strict=True):
        if isinstance(result, str):
            rows.append((net.remote_id, "canceled", result))
        elif await result is am.EXECUTED:
            rows.append((net.remote_id, "executed", str(net)))
        else:
            error = result.error
            reason = await _refusal(net, kind, states) if error is None else _reason(error)
            rows.append((net.remote_id, "canceled", reason))
    executed = sum(row[1] == "executed" for row in rows)
    machines = [{"id": row[0], "result": row[1], "detail": row[2]} for row in rows]
    return Outcome(
        Code.OK if executed == len(rows) else Code.NO,
        data={"executed": executed, "canceled": len(rows) - executed, "machines": machines},
        table=Table(("id", "result", "detail"), tuple(rows)),
    )
