"""Snapshots: the clocks of a machine, to be kept and brought back."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ._errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The clocks of a machine at one moment: `time` holds a tick per state of `state_names`."""

    __module__ = "am_machine"  # as users and pickles know it

    id: str
    state_names: tuple[str, ...]
    time: tuple[int, ...]
    queue_tick: int
    machine_tick: int

    def check(self) -> None:
        """See that it can be a machine's.

        :raises SchemaError: if lengths do not fit, names occur twice, or something is of a wrong
            type or negative.
        """
        numbers = (*self.time, self.queue_tick, self.machine_tick)
        faults = []
        if not isinstance(self.id, str):
            faults.append(f"its id {self.id!r:.100} is no text")
        if not all(isinstance(name, str) for name in self.state_names):
            faults.append("a name is no text")
        elif len(set(self.state_names)) != len(self.state_names):
            faults.append("a name occurs twice")
        if len(self.state_names) != len(self.time):
            faults.append(f"{len(self.time)} ticks for {len(self.state_names)} states")
        if not all(type(n) is int and n >= 0 for n in numbers):
            faults.append("a tick is no number, or negative")
        if faults:
            raise SchemaError(*[f"not a snapshot: {fault}" for fault in faults])

    def to_dict(self) -> dict[str, Any]:
        """A dict of JSON-able values."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Snapshot:
        """A snapshot from what `to_dict` gave; the input is checked, as it may come from a file.

        :raises SchemaError: if something is missing or of a wrong type.
        """
        try:
            found = cls(
                data["id"],
                tuple(data["state_names"]),
                tuple(data["time"]),
                data["queue_tick"],
                data["machine_tick"],
            )
        except (KeyError, TypeError) as exc:
            raise SchemaError(f"not a snapshot: {exc!r}") from exc
        found.check()
        return found
