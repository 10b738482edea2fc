"""Which states and machines are traced. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Choice:
    """Lists of `State` or `machine:State`, and regexps searched in `machine:State`; skip wins.

    With neither list nor regexp of what is allowed, all is.

    :raises ValueError: if a regexp is none.
    """

    def __init__(
        self,
        allow: Iterable[str] = (),
        skip: Iterable[str] = (),
        allow_re: str | None = None,
        skip_re: str | None = None,
    ) -> None:
        self._allow = frozenset(allow)
        self._skip = frozenset(skip)
        self._allow_re = compiled(allow_re)
        self._skip_re = compiled(skip_re)
        self._known: dict[tuple[str, str], bool] = {}

    def takes(self, machine_id: str, state: str) -> bool:
        """Whether a state of a machine is traced."""
        key = (machine_id, state)
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= 100_000:
                self._known.clear()
            found = self._known[key] = self._takes(f"{machine_id}:{state}", state)
        return found

    def _takes(self, full: str, state: str) -> bool:
        if state in self._skip or full in self._skip:
            return False
        if self._skip_re is not None and self._skip_re.search(full):
            return False
        if not self._allow and self._allow_re is None:
            return True
        if state in self._allow or full in self._allow:
            return True
        return self._allow_re is not None and self._allow_re.search(full) is not None

    def takes_machine(self, machine_id: str) -> bool:
        """Whether a machine is traced at all."""
        return self._skip_re is None or self._skip_re.search(machine_id) is None


def compiled(pattern: str | None) -> re.Pattern[str] | None:
    """Compile a regexp, if there is one.

    :raises ValueError: if it is none.
    """
    if not pattern:
        return None
    try:
        return re.compile(pattern)
    except re.error as exc:
        raise ValueError(f"{pattern!r:.100} is no regexp: {exc}") from exc
