"""Filters: which machines a `list` or a `group-…` command means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable

    from ._pool import Peer


@dataclass(frozen=True, slots=True)
class Filters:
    """Conditions that a machine must all meet; those left out hold for every machine.

    `skip` and `limit` count the machines that meet the others. The machine time is the sum of the
    ticks of `mtime_states`, or of all states.
    """

    active: tuple[str, ...] = ()
    inactive: tuple[str, ...] = ()
    mtime_states: tuple[str, ...] = ()
    mtime_min: int | None = None
    mtime_max: int | None = None
    parent: str | None = None
    id_regexp: re.Pattern[str] | None = None
    id_partial: str | None = None
    id_prefix: str | None = None
    id_suffix: str | None = None
    limit: int | None = None
    skip: int = 0

    @property
    def looks_inside(self) -> bool:
        """Tell whether a machine that was never reached is ruled out by these."""
        states = self.active or self.inactive or self.mtime_states
        return bool(states) or (self.mtime_min, self.mtime_max) != (None, None)

    def select(self, peers: Iterable[Peer]) -> list[Peer]:
        """Return the peers that match, in order."""
        found = [peer for peer in peers if self._fits_id(peer) and self._fits_states(peer)]
        end = None if self.limit is None else self.skip + self.limit
        return found[self.skip : end]

    def _fits_id(self, peer: Peer) -> bool:
        name = peer.id
        return (
            (self.parent is None or peer.parent == self.parent)
            and (self.id_regexp is None or self.id_regexp.search(name) is not None)
            and (self.id_partial is None or self.id_partial in name)
            and (self.id_prefix is None or name.startswith(self.id_prefix))
            and (self.id_suffix is None or name.endswith(self.id_suffix))
        )

    def _fits_states(self, peer: Peer) -> bool:
        if not self.looks_inside:
            return True
        net = peer.net
        if net is None:
            return False
        known = net.schema
        # A state that a machine does not have is neither active nor inactive there.
        if not all(s in known for s in (*self.active, *self.inactive, *self.mtime_states)):
            return False
        mtime = sum(net.time(*self.mtime_states))
        return (
            net.is_(*self.active)
            and net.not_(*self.inactive)
            and (self.mtime_min is None or mtime >= self.mtime_min)
            and (self.mtime_max is None or mtime <= self.mtime_max)
        )
