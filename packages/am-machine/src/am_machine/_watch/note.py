"""What a transition leaves for journals beside the plan that it followed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._text import text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .._causality import Source
    from .._schema.plans import Plan
    from .details import Raw
    from .journal_details import JournalDetails

# The longest text kept of a value.
MAX_TEXT = 256


class Converted(str):
    """Text in an entry's `args` that is not the whole of what was given: it stands for a value that
    is no number, bool, None, text or exception, or a longer text begins with it."""

    __slots__ = ()


class Note:
    """What a plan does not tell of a transition that followed it."""

    __slots__ = (
        "accepted", "args", "called", "cause", "changes", "details", "failed", "is_broken",
        "source", "vetoed",
    )  # fmt: skip

    def __init__(
        self,
        *,
        cause: Source | None = None,
        source: Source | None = None,
        args: Mapping[str, Any] | None = None,
        called: tuple[int, ...] | None = None,
        changes: tuple[tuple[int, int], ...] | None = None,
        accepted: bool = True,
        is_broken: bool = False,
        vetoed: tuple[str, ...] = (),
        failed: str | None = None,
    ) -> None:
        self.details: Raw | None = None
        # Its own record as a cause, if it caused something.
        self.cause = cause
        self.source = source
        self.args = args
        self.called = called
        self.changes = changes
        self.accepted = accepted
        self.is_broken = is_broken
        self.vetoed = vetoed
        self.failed = failed

    def is_usual(self, plan: Plan, details: JournalDetails | None) -> bool:
        """Whether all of a transition went as planned, but for its cause and its keywords."""
        return (
            self.accepted is plan.accepted
            and self.called is None
            and (self.changes is None or self.changes == plan.increments)
            and self.failed is None
            and not self.is_broken
            and not self.vetoed
            and (details is None or details.what == "transition")
        )


def kept_args(shown: Mapping[str, Any]) -> dict[str, Any]:
    """Logged keywords as values that keep nothing of the caller's alive."""
    return {key: _kept(value) for key, value in shown.items()}


def _kept(value: Any) -> Any:
    if value is None or type(value) in (bool, int, float):
        return value
    text = text_of(value)
    if isinstance(value, BaseException):
        text = f"{type(value).__name__}: {text}"
    elif not isinstance(value, str):
        return Converted(text[:MAX_TEXT])
    return text if len(text) <= MAX_TEXT else Converted(text[:MAX_TEXT])
