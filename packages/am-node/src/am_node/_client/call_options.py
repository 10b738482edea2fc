"""The options of calls, checked where they are given."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection


def checked_timeout(timeout: float | None, attempts: int) -> float:  # not a wait, a value
    """Return the seconds that a request may take; None is no bound.

    :raises ValueError: for less than one attempt, or a time that is none.
    """
    if attempts < 1:
        raise ValueError(f"attempts={attempts}: at least one is needed")
    if timeout is None:
        return float("inf")
    if not timeout >= 0:  # nor is NaN
        raise ValueError(f"timeout={timeout}: seconds, 0 or more, or None for no bound")
    return timeout


def checked_names(retry_on: Collection[str]) -> frozenset[str]:
    """Return the names of the errors to try again after.

    :raises TypeError: if it is no collection of names. A single text is a collection, too, of its
        characters, after none of which anything would be tried again.
    """
    if not isinstance(retry_on, str):
        try:
            names = frozenset(retry_on)
        except TypeError:
            pass  # one class, most likely
        else:
            if all(isinstance(name, str) for name in names):
                return names
    raise TypeError(
        f"retry_on={retry_on!r}: give the names of the errors' types in a tuple or set, "
        'as ("ValueError",)'
    )
