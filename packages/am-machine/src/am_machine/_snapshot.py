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

    id: str
    state_names: tuple[str, ...]
    time: tuple[int, ...]
    queue_tick: int
    machine_tick: int

    def to_dict(self) -> dict[str, Any]:
        """A dict of JSON-able values."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Snapshot:
        """A snapshot from what `to_dict` gave; the input is checked, as it may come from a file.

        :raises SchemaError: if something is missing or of a wrong type.
        """
        try:
            names = tuple(data["state_names"])
            time = tuple(data["time"])
            numbers = (*time, data["queue_tick"], data["machine_tick"])
            well = (
                isinstance(data["id"], str)
                and len(names) == len(time) == len(set(names))
                and all(isinstance(name, str) for name in names)
                and all(type(n) is int and n >= 0 for n in numbers)
            )
        except (KeyError, TypeError) as exc:
            raise SchemaError(f"not a snapshot: {exc!r}") from exc
        if not well:
            raise SchemaError("not a snapshot: wrong types or lengths")
        return cls(data["id"], names, time, data["queue_tick"], data["machine_tick"])
