"""What all exporters have in common: they are used as `with`."""

from __future__ import annotations

from typing import Self


class Closing:
    """Base of what is closed at the end of a `with`."""

    def close(self) -> None:
        """Let go of everything."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
