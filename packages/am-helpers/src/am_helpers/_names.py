"""Names of states and of handlers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    import am_machine as am

_HANDLER_SUFFIXES = ("Enter", "Exit", "State", "End")


def state_names(have: am.MachineApi | type[am.States] | Iterable[str]) -> tuple[str, ...]:
    """Return the state names of a machine or a States class in index order, or the names given."""
    if isinstance(have, type):
        return have.names()
    clock = getattr(have, "clock", None)  # a Protocol's isinstance check is far slower
    return tuple(clock()) if callable(clock) else tuple(have)  # type: ignore[arg-type]


def implements(
    have: am.MachineApi | Iterable[str], want: type[am.States] | Iterable[str]
) -> list[str]:
    """Return the states of ``want`` which ``have`` is missing; an empty list means it has them all.

    ``have`` is a machine or names, ``want`` a States class or names; the order is that of ``want``.
    """
    names = set(state_names(have))
    return [name for name in state_names(want) if name not in names]


def check_states(mach: am.MachineApi, states: Iterable[str]) -> None:
    """Raise `am.UnknownStateError` if the machine does not have all of the states."""
    mach.time(*states)


def handler_to_state(handler: str) -> str:
    """Return the state a handler name belongs to: ``FooEnter``, ``FooState``, … → ``Foo``.

    A name without a handler's suffix is returned as it is.
    """
    for suffix in _HANDLER_SUFFIXES:
        if handler.endswith(suffix) and handler != suffix:
            return handler.removesuffix(suffix)
    return handler
