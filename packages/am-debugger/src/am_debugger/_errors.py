"""What can go wrong in the debugger, by situation."""

from __future__ import annotations


class DebuggerError(Exception):
    """Base of all errors that this package raises."""


class BadMessageError(DebuggerError, ValueError):
    """A message from outside contradicts what was said before, or cannot be.

    Raised for one message; what was taken in before it stays as it was, and the next message may
    be taken in. A stream of bytes that cannot be read at all is another matter, see the decoder.
    """


class NoRoomError(BadMessageError):
    """A machine is not taken in, since there are as many as may be, or memory is short."""


class UrlError(DebuggerError, ValueError):
    """A text is no address of a machine. `url` holds it."""

    def __init__(self, url: str, fault: str) -> None:
        super().__init__(url, fault)
        self.url = url
        self.fault = fault

    def __str__(self) -> str:
        return f"{self.url!r:.200} is no address of a machine: {self.fault}"


class QueryError(DebuggerError, ValueError):
    """A query cannot be read. `start` and `end` tell which characters of `query` are at fault."""

    def __init__(self, query: str, start: int, end: int, fault: str) -> None:
        super().__init__(query, start, end, fault)
        self.query = query
        self.start = start
        self.end = end
        self.fault = fault

    def __str__(self) -> str:
        return f"{self.query[self.start : self.end]!r:.100}: {self.fault}"

    @property
    def underlined(self) -> str:
        """Two lines for a terminal: the query, and below it a mark where it is at fault."""
        shown = [one if one.isprintable() else "?" for one in self.query]
        marks = "^" * max(self.end - self.start, 1)
        return f"{''.join(shown)}\n{' ' * self.start}{marks}"


class DumpError(DebuggerError):
    """A file is no dump, or one of a version that this program cannot read. `path` names it."""

    def __init__(self, path: str, fault: str) -> None:
        super().__init__(path, fault)
        self.path = path
        self.fault = fault

    def __str__(self) -> str:
        return f"{self.path}: {self.fault}"


class CannotListenError(DebuggerError):
    """An address cannot be listened at. `is_taken`: since somebody else does."""

    def __init__(self, address: str, fault: str, *, is_taken: bool = False) -> None:
        super().__init__(address, fault)
        self.address = address
        self.fault = fault
        self.is_taken = is_taken

    def __str__(self) -> str:
        return f"{self.address}: {self.fault}"
