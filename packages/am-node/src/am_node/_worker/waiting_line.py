"""Requests that a worker has accepted and not begun. Nothing here knows a machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .._wire_work import Requests


class WaitingLine:
    """Requests in the order in which they came.

    The one taken last is `promised` until it begins: it was accepted, so it is not refused any
    more.
    """

    def __init__(self) -> None:
        # Args by the id of their request; one without id is its own key.
        self._args: dict[object, dict[str, Any]] = {}
        self.promised: tuple[bytes | None, dict[str, Any]] | None = None
        # Asked for in a batch, and not answered.
        self._in_batch: set[bytes | None] = set()

    def __len__(self) -> int:
        return len(self._args)

    def __contains__(self, req: object) -> bool:
        return req in self._args

    def is_promised(self, req: bytes | None) -> bool:
        """Whether this is the request that was taken last and has not begun."""
        return self.promised is not None and self.promised[0] == req

    def add(self, requests: Requests, *, together: bool) -> None:
        """Let requests wait behind the others; `together` if they came in a batch."""
        for req, args in requests:
            self._args[object() if req is None else req] = args
            if together:
                self._in_batch.add(req)

    def take(self) -> tuple[bytes | None, dict[str, Any]]:
        """Take out the oldest request, which is promised from now on."""
        key = next(iter(self._args))
        args = self._args.pop(key)
        self.promised = (key if isinstance(key, bytes) else None, args)
        return self.promised

    def put_back(self) -> None:
        """Let the promised request wait again, before all others."""
        assert self.promised is not None
        (req, args), self.promised = self.promised, None
        self._args = {object() if req is None else req: args, **self._args}

    def withdraw(self, req: bytes) -> None:
        """Forget a request, if it waits."""
        self._args.pop(req, None)
        self._in_batch.discard(req)

    def withdraw_named(self) -> list[bytes]:
        """Forget all requests that have an id, and return these; the others go on waiting."""
        named = [key for key in self._args if isinstance(key, bytes)]
        for req in named:
            self.withdraw(req)
        return named

    def end_in_batch(self, req: bytes | None) -> bool:
        """The answer of a request leaves; True if it came in a batch, so that others may follow."""
        came = req in self._in_batch
        self._in_batch.discard(req)
        return came

    def clear(self) -> None:
        """Forget all of them."""
        self._args.clear()
        self._in_batch.clear()
        self.promised = None
