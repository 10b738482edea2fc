"""A state that comes and goes again and again, and no work is done by it.

Many states come and go quickly as a matter of course: one for each request, one for each lap of a
traffic light. So speed alone says nothing. A state flaps if others depend on it, or two others
fight for it, and what ends it is an error, or somebody else, or a circle that nothing from outside
keeps going.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from ..._store.layout import HEALTH_STATES, REFUSED
from ..obstacles import explained
from ..reader import called_text
from ..steps import parse
from .finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..._store.client import Client
    from ..._store.store import Store
    from ..._store.tx import Tx
    from .flips import Burst
    from .watch import Case

MOST_JUDGED = 4
"""Bursts of one state that are looked at closer."""
SETTLED = 2_000_000
"""Microseconds after which all is there that led to a transition."""
_SHARE = 0.75
_HALF = 0.5
_HOPS = 8
_LEAST_REFUSED = 2
_MOST_REFUSED = 200
_SECOND = 1_000_000


def flapping(case: Case) -> Iterator[Finding | None]:
    """States with bursts of changes for which something speaks against their being work. Each burst
    takes a while to be judged."""
    version, client = case.version, case.client
    schema = version.schema.schema
    bursts = case.watch.flips.bursts
    moving = {version.names[i] for i in bursts if i < len(version.names)}
    for i, found in bursts.items():
        name = version.names[i] if i < len(version.names) else ""
        if (
            not name
            or schema[name].multi
            or _is_event(name)
            or not moving.isdisjoint(schema[name].require)
        ):
            continue  # what it requires is what flaps
        has_dependents = schema[name].auto or bool(schema.inbound(name).get("require"))
        for burst in found[:MOST_JUDGED]:
            if burst[0] < client.first:
                continue
            why = _why(case, i, name, burst, has_dependents=has_dependents)
            if why is not None:
                yield _finding(case, i, name, burst, why)
                break
            yield None


def _is_event(name: str) -> bool:
    return name == "Exception" or name.startswith("Err") or name in HEALTH_STATES


def _why(case: Case, i: int, name: str, burst: Burst, *, has_dependents: bool) -> str | None:
    """Why a burst is no work, if it is none; of one that is over it is found out once."""
    key, verdicts = (i, burst[0]), case.watch.verdicts
    if key in verdicts:
        return verdicts[key]
    found = _judge(case, i, name, burst, has_dependents=has_dependents)
    if case.now - case.time(burst[-1]) >= SETTLED:
        verdicts[key] = found
    return found


def _finding(case: Case, i: int, name: str, burst: Burst, reason: str) -> Finding:
    times = case.client.columns.times
    began, ended = [times.searched(n - case.client.first) for n in (burst[0], burst[-1])]
    count = len(case.watch.flips.bursts[i]) * len(burst) // 2
    more = " and more" if len(case.watch.flips.bursts[i]) > 1 else ""
    what = (
        f"{name} flaps: on and off {len(burst) // 2} times within {(ended - began) / _SECOND:.1f} s"
    )
    last_off = [n for n in burst if not case.client.clock_after(n)[i] % 2][-1]
    tx = case.store.tx(case.client, last_off)
    why = [reason, f"it went last in {last_off}, {called_text(case.client, tx)}"]
    why += [told for told in explained(case.store, case.client, last_off) if "called by" in told]
    if more:
        why.append(f"at least {count} times in all")
    return Finding("flapping", case.client, last_off, name, what, tuple(why))


def _judge(case: Case, i: int, name: str, burst: Burst, *, has_dependents: bool) -> str | None:
    client, store = case.client, case.store
    on = [n for n in burst if client.clock_after(n)[i] % 2]
    off = sorted(set(burst).difference(on))
    comings = [store.tx(client, n) for n in on]
    goings = [store.tx(client, n) for n in off]
    if _share([_is_own(tx, before) for tx, before in _after(goings, comings)]) > _HALF:
        return None  # it ends itself: an action, not a status
    ended = [_has_error(store, client, tx, before) for tx, before in _after(goings, comings)]
    if has_dependents and _share(ended) >= _HALF:
        return "an error ends it most of the time"
    if has_dependents and _refused_for(client, store, burst, name) >= _LEAST_REFUSED:
        return f"calls that require {name} were refused meanwhile"
    if _is_work(comings):
        return None
    adders, removers = _callers(comings), _callers(goings)
    follows = _share(
        [_descends(store, client, tx, before) for tx, before in _after(goings, comings)]
    )
    returns = _share(
        [_descends(store, client, tx, before) for tx, before in _after(comings, goings)]
    )
    if adders and removers and adders.isdisjoint(removers) and follows < _HALF:
        return f"{_named(adders)} adds it, {_named(removers)} removes it: they fight for it"
    if has_dependents and follows >= _SHARE and returns >= _SHARE:
        return "its coming causes its going, and that its coming: a circle"
    return None


def _named(machines: set[str]) -> str:
    return " or ".join(sorted(machines))


def _share(verdicts: Sequence[bool]) -> float:
    return sum(verdicts) / len(verdicts) if verdicts else 0.0


def _after(those: Sequence[Tx], earlier: Sequence[Tx]) -> list[tuple[Tx, Tx]]:
    """Each with the last of the others that came before it."""
    found = []
    for tx in those:
        before = [one for one in earlier if one.number < tx.number]
        if before:
            found.append((tx, before[-1]))
    return found


def _is_own(going: Tx, coming: Tx) -> bool:
    """Whether a state was ended right by the transition that began it."""
    return going.source is not None and going.source.id == coming.id


def _is_work(comings: Sequence[Tx]) -> bool:
    """Whether it comes with other arguments most of the time: one time for each piece of work."""
    told = [repr(sorted(tx.args.items())) for tx in comings if tx.args]
    return len(set(told)) > len(comings) * _HALF


def _callers(txs: Sequence[Tx]) -> set[str]:
    """The machines that all of them came from; empty if that is not known of one."""
    if any([tx.source is None for tx in txs]):
        return set()
    return {tx.source.machine_id for tx in txs if tx.source is not None}


def _has_error(store: Store, client: Client, tx: Tx, coming: Tx) -> bool:
    """Whether an error ended it: in that transition, as its cause, or at any time since it came."""
    position = bisect_right(client.errors, coming.number)
    if position < len(client.errors) and client.errors[position] <= tx.number:
        return True
    place: tuple[Client, int] | None = (client, tx.number)
    for _ in range(2):
        if place is None:
            return False
        owner, number = place
        one = store.tx(owner, number)
        names = owner.version_at(number).names
        states = [names[i] for i in (*one.called, *[i for i, gained in one.changes if gained])]
        if any([name == "Exception" or name.startswith("Err") for name in states]):
            return True
        place = store.find_source(owner, one.source) if one.source is not None else None
    return False


def _descends(store: Store, client: Client, tx: Tx, ancestor: Tx) -> bool:
    """Whether one transition led to another."""
    place: tuple[Client, int] | None = (client, tx.number)
    for _ in range(_HOPS):
        if place is None:
            return False
        owner, number = place
        source = store.tx(owner, number).source
        if source is None:
            return False
        place = store.find_source(owner, source)
        if place == (client, ancestor.number):
            return True
    return False


def _refused_for(client: Client, store: Store, burst: Burst, name: str) -> int:
    """Calls that were refused during a burst since a state was missing."""
    first, last = burst[0], burst[-1]
    marks = client.columns.marks[first - client.first : last - client.first + 1]
    refused = [first + k for k, m in enumerate(marks) if REFUSED[m]]
    count = 0
    for number in refused[:_MOST_REFUSED]:
        tx = store.tx(client, number)
        if tx.is_auto:
            continue
        requires = parse(client, tx).explanation.requires
        count += any([name in missing for missing in requires.values()])
    return count
