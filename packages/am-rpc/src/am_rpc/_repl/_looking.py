"""Commands that look at machines and connections, and change none."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from ._find import find_peer, live_net
from ._outcome import Code, CommandError, Outcome, Table

if TYPE_CHECKING:
    from ._filters import Filters
    from ._machine import Repl
    from ._pool import Peer

_STATUS = ("connected", "connecting", "disconnected")


async def show_states(repl: Repl, mach: str, *, with_inactive: bool) -> Outcome:
    """Show the states of a machine on one line."""
    net = live_net(find_peer(repl.pool.peers, mach))
    text = net.string_all() if with_inactive else str(net)
    clock = net.clock() if with_inactive else net.clock(*net.active) if net.active else {}
    data = {"id": net.remote_id, "active": list(net.active), "ticks": clock}
    return Outcome(data=data, lines=(f"{net.remote_id} {text}",))


async def inspect(repl: Repl, mach: str) -> Outcome:
    """Show every state with its tick, properties, relations and declared args."""
    peer = find_peer(repl.pool.peers, mach)
    net = live_net(peer)
    if not peer.args:
        await peer.fetch_args()
    states = {
        name: {
            "active": net.is_(name),
            "tick": net.tick(name),
            "auto": state.auto,
            "multi": state.multi,
            "add": [*state.add],
            "require": [*state.require],
            "remove": [*state.remove],
            "after": [*state.after],
            "args": [*peer.args.get(name, ())],
        }
        for name, state in net.schema.items()
    }
    lines = [f"{net.remote_id} at {peer.addr}"]
    for name in states:
        lines += net.inspect(name).splitlines()
        if args := peer.args.get(name):
            lines.append(f"    |Args     {' '.join(args)}")
    data = {"id": net.remote_id, "addr": peer.addr, "states": states}
    return Outcome(data=data, lines=tuple(lines))


async def show_time(repl: Repl, mach: str, *, only_sum: bool) -> Outcome:
    """Show the ticks of a machine in index order, or their sum, as the source has them now."""
    net = live_net(find_peer(repl.pool.peers, mach))
    ticks = list(await net.sync())
    data: dict[str, Any] = {"id": net.remote_id, "sum": sum(ticks)}
    data |= {"queue_tick": net.queue_tick, "machine_tick": net.machine_tick}
    if only_sum:
        return Outcome(data=data, lines=(str(sum(ticks)),))
    return Outcome(data=data | {"time": ticks}, lines=(" ".join(map(str, ticks)),))


async def list_machines(
    repl: Repl,
    filters: Filters,
    *,
    states: bool = False,
    states_all: bool = False,
    disconnected: bool = False,
) -> Outcome:
    """List the machines that match."""
    peers = filters.select(repl.pool.peers if disconnected else repl.pool.connected)
    if not peers:
        raise CommandError(Code.NO, "no machine matches")
    has_parents = any(peer.parent for peer in peers)
    columns = ["id", "address", "time", "active"]
    columns += ["parent"] if has_parents else []
    columns += ["status"] if disconnected else []
    columns += ["states"] if states or states_all else []
    columns += ["reason"] if disconnected and any(peer.error for peer in peers) else []
    rows = [_row(peer, states_all=states_all) for peer in peers]
    table = Table(tuple(columns), tuple(tuple(row[column] for column in columns) for row in rows))
    return Outcome(data={"machines": [_facts(peer) for peer in peers]}, table=table)


def _row(peer: Peer, *, states_all: bool) -> dict[str, str]:
    net = peer.net
    row = {"id": peer.id or "?", "address": peer.addr, "parent": peer.parent}
    row |= {"status": peer.status, "reason": str(peer.error or "")}
    if net is None:
        return row | {"time": "-", "active": "-", "states": "-"}
    return row | {
        "time": str(sum(net.time())),
        "active": f"{len(net.active)}/{len(net.schema)}",
        "states": net.string_all() if states_all else str(net),
    }


def _facts(peer: Peer) -> dict[str, Any]:
    net = peer.net
    facts: dict[str, Any] = {
        "id": peer.id or None,
        "addr": peer.addr,
        "parent": peer.parent or None,
        "status": peer.status,
    }
    if peer.error is not None:
        facts["error"] = str(peer.error)
    if net is not None:
        facts |= {"active": [*net.active], "ticks": net.clock(), "sum": sum(net.time())}
    return facts


async def status(repl: Repl) -> Outcome:
    """Count the connections."""
    counted = Counter(peer.status for peer in repl.pool.peers)
    data = {name: counted[name] for name in _STATUS} | {"total": counted.total()}
    told = ", ".join(f"{number} {name}" for name, number in data.items())
    return Outcome(data=data, lines=(told,))


async def connect(repl: Repl, addrs: tuple[str, ...]) -> Outcome:
    """Connect to more addresses, and anew to those that were lost; then count."""
    repl.pool.reconnect()
    await repl.load(addrs)
    await repl.settle()
    counted = await status(repl)
    if not repl.pool.connected:
        return Outcome(Code.NOT_CONNECTED, data=counted.data, error=counted.lines[0])
    return counted
