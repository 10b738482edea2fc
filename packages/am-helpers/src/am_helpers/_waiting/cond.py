"""A condition on the states of a machine, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import am_machine as am


@dataclass(frozen=True, slots=True, kw_only=True)
class Cond:
    """A condition on active states and clocks; every part that is given must hold.

    ``bool(Cond())`` is False: a condition without parts holds nothing worth checking.
    """

    is_: Sequence[str] = ()
    """All of them are active."""
    any_: Sequence[Sequence[str]] = ()
    """At least one of these groups is wholly active."""
    any1: Sequence[str] = ()
    """At least one of them is active."""
    not_: Sequence[str] = ()
    """None of them is active."""
    clock: Mapping[str, int] | None = None
    """Each tick has been reached."""

    def __bool__(self) -> bool:
        return bool(self.is_ or self.any_ or self.any1 or self.not_ or self.clock)

    def check(self, mach: am.MachineApi) -> bool:
        """Tell whether the condition holds for the machine now.

        :raises am.UnknownStateError: if the machine lacks a state that is looked at.
        """
        return (
            mach.is_(*self.is_)
            and mach.not_(*self.not_)
            and (not self.any1 or mach.any_(*self.any1))
            and (not self.any_ or mach.any_(*(tuple(group) for group in self.any_)))
            and (not self.clock or mach.was_clock(dict(self.clock)))
        )
