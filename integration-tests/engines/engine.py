"""What the tests need of an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence

    import am_node


class Engine(Protocol):
    """A real engine, as the tests see it."""

    name: str
    # Whether it keeps workers waiting for which it has no room.
    queues: bool

    def start(self) -> None:
        """Start it and wait until it takes workers."""

    def stop(self) -> None:
        """End what the services do not end."""

    def settings(self, command: Sequence[str]) -> dict[str, Any]:
        """The arguments of its launcher, in plain values."""

    def launcher(self, command: Sequence[str]) -> am_node.Launcher:
        """What starts workers on it."""

    def left(self) -> list[str]:
        """What it still runs or remembers as running."""

    def occupy(self) -> None:
        """Take all its room, so that workers have to wait."""

    def make_room(self) -> None:
        """Give the room back."""

    def cut_off(self) -> None:
        """Have its node go away, with what runs there."""

    def bring_back(self) -> None:
        """Have a node again."""


@runtime_checkable
class Preempting(Engine, Protocol):
    """An engine that takes room from workers for what is more urgent."""

    def preempt(self) -> None:
        """Take all its room, also that of workers, and wait until they are gone."""
