"""Light values: what crosses a boundary thousands of times a second."""

from __future__ import annotations


class Value:
    """A value whose fields are its `__slots__`, compared and shown by them.

    Not a frozen dataclass, because making one of those costs three times as much, for each message
    and once more for each class at import. Nobody changes one after it was made.
    """

    __slots__: tuple[str, ...] = ()

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    __hash__ = None  # type: ignore[assignment]  # most of them hold dicts or lists

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__)
        return f"{type(self).__name__}({fields})"
