"""All rules over all machines, in small steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .blocked_auto import blocked_auto
from .finding import is_quiet, is_quiet_state
from .flapping import flapping
from .growing_queue import growing_queue
from .refused import refused
from .slow_handler import slow_handler
from .unhandled import unhandled
from .unmet_wait import unmet_wait
from .watch import Case, Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from ..._store.client import Client
    from ..._store.store import Store
    from .finding import Finding

SLICE = 1024
"""Transitions of one step."""
MOST_FOUND = 50
"""Findings of one machine; what is wrong with it is known by then."""
AGAIN = 10_000_000
"""Microseconds after which a machine that does nothing is judged anew: what lasts grows old."""

RULES: dict[str, Callable[[Case], Iterator[Finding | None]]] = {
    "unhandled": unhandled,
    "refused": refused,
    "blocked-auto": blocked_auto,
    "unmet-wait": unmet_wait,
    "flapping": flapping,
    "growing-queue": growing_queue,
    "slow-handler": slow_handler,
}
"""What is complained of first comes first. A rule that takes more than a millisecond for a machine
yields None now and then, for others to have their turn; the oldest transitions may go meanwhile."""


class _Judged:
    """A machine with what was found, and what that was found of."""

    __slots__ = ("basis", "findings", "watch")

    def __init__(self) -> None:
        self.watch = Watch()
        self.basis: tuple[object, ...] = ()
        self.findings: tuple[Finding, ...] = ()


class Lints:
    """What looks wrong in the machines of a store; `look` goes on with what came."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._judged: dict[int, _Judged] = {}
        self.revision = 0
        """Changes where findings do."""
        self.rounds = 0
        """How often all was gone through."""

    def look(self, now: int | None = None) -> Iterator[None]:
        """Go through all that came, in steps of a few milliseconds at most. `now`: the time, in
        microseconds since 1970, where machines are connected; else all is as it was when it was
        recorded."""
        store, until = self._store, self._ends()
        for client in list(store):
            if client not in store or not client.versions or is_quiet(client):
                continue
            judged = self._judged.get(client.serial)
            if judged is None:
                judged = self._judged[client.serial] = _Judged()
            while client in store and judged.watch.look(client, SLICE):
                yield
            end = until.get(client.process.id, 0)
            if now is not None and client.is_connected:
                end = max(end, now)
            if client.gone_at is not None:
                end = min(end, client.gone_at)
            if client in store and (yield from self._judge(client, judged, end)):
                yield
        self._forget()
        self.rounds += 1

    def _ends(self) -> dict[str, int]:
        """Up to which time is known what the machines of each process did."""
        found: dict[str, int] = {}
        for client in self._store:
            times = client.columns.times
            if len(times):
                last = times.searched(len(times) - 1)
                found[client.process.id] = max(found.get(client.process.id, 0), last)
        return found

    def _judge(self, client: Client, judged: _Judged, now: int) -> Generator[None, None, bool]:
        """Whether there was anything new to look at, in small steps."""
        basis = (
            client.last, client.first, len(client.versions), client.pending, client.gone_at,
            client.is_connected, now // AGAIN,
        )  # fmt: skip
        if basis == judged.basis:
            return False
        case = Case(self._store, client, judged.watch, now)
        found: list[Finding] = []
        for rule in RULES.values():
            for finding in rule(case):
                if finding is None:
                    yield
                elif not is_quiet_state(client.version, finding.state):
                    found.append(finding)
                if len(found) >= MOST_FOUND:
                    break
        judged.basis = basis  # all of it, and not where this was ended early
        if tuple(found) != judged.findings:
            judged.findings = tuple(found)
            self.revision += 1
        return True

    def _forget(self) -> None:
        known = {client.serial for client in self._store}
        for serial in [serial for serial in self._judged if serial not in known]:
            if self._judged.pop(serial).findings:
                self.revision += 1

    def unseen(self) -> int:
        """How many machines were never gone through, or not to their end."""
        judged = self._judged
        return sum([
            client.serial not in judged or not judged[client.serial].basis
            for client in self._store if client.versions and not is_quiet(client)
        ])  # fmt: skip

    def of(self, client: Client) -> tuple[Finding, ...]:
        """What was found of a machine."""
        judged = self._judged.get(client.serial)
        return () if judged is None else judged.findings

    def findings(self) -> list[Finding]:
        """All that was found: by rule, then by machine."""
        order = list(RULES)
        found = [finding for client in self._store for finding in self.of(client)]
        return sorted(found, key=lambda one: (order.index(one.rule), one.client.serial))


def lint(store: Store, now: int | None = None) -> list[Finding]:
    """What looks wrong in a store that does not change; `now` as for `Lints.look`."""
    lints = Lints(store)
    for _ in lints.look(now):
        pass
    return lints.findings()
