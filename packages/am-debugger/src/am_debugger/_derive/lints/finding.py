"""What a rule says of a machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..url import MachineUrl

if TYPE_CHECKING:
    from ..._store.client import Client
    from ..._store.versions import Version

QUIET = "dbg:quiet"
"""The tag that silences."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that looks wrong: what, where, why, and how to silence it."""

    rule: str
    client: Client
    number: int
    """The transition to look at."""
    state: str
    """The state that it is about; empty: the machine."""
    what: str
    why: tuple[str, ...]

    @property
    def title(self) -> str:
        """What, and of which machine."""
        return f"{self.client.id}: {self.what}"

    @property
    def silence(self) -> str:
        """How to be told no more of it."""
        machine = f"the machine {self.client.id}"
        is_taggable = self.state not in ("", "Exception")
        whom = f"the state {self.state}, or {machine}," if is_taggable else machine
        return f"if that is wanted, give {whom} the tag {QUIET}"

    def url(self) -> str:
        """The address of the place."""
        client = self.client
        is_kept = client.first <= self.number <= client.last
        ident = client.columns.id_of(self.number) if is_kept else None
        return str(MachineUrl(client.id, ident, state=self.state or None))


def is_quiet(client: Client) -> bool:
    """Whether nothing is to be said of a machine."""
    return QUIET in client.tags


def is_quiet_state(version: Version, state: str) -> bool:
    """Whether nothing is to be said of a state."""
    schema = version.schema.schema
    return state in schema.index and QUIET in schema[state].tags
