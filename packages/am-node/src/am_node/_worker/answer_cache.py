"""The last answers of a worker, for requests that are repeated because their answer was lost."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from .._wire_work import weight

# A client repeats a request only after it lost the answer, which at most this many others follow,
# or twice as many as may be on their way to a worker with a longer queue.
MAX_REMEMBERED = 64
MAX_REMEMBERED_BYTES = 64 * 2**20


class AnswerCache:
    """Answers by the id of their request, bounded in number and bytes; the newest always fits."""

    def __init__(self, queue: int) -> None:
        self._most = max(MAX_REMEMBERED, 2 * (queue + 1))
        self._answers: OrderedDict[bytes, tuple[dict[str, Any], int]] = OrderedDict()
        self._bytes = 0

    def __contains__(self, req: object) -> bool:
        return req in self._answers

    def __getitem__(self, req: bytes) -> dict[str, Any]:
        return self._answers[req][0]

    def keep(self, req: bytes, answer: dict[str, Any]) -> int:
        """Remember the answer of a request; returns its weight in bytes."""
        size = weight(answer)
        if req in self._answers:
            self._bytes -= self._answers.pop(req)[1]
        self._answers[req] = (answer, size)
        self._bytes += size
        while len(self._answers) > self._most or (
            self._bytes > MAX_REMEMBERED_BYTES and len(self._answers) > 1
        ):
            self._bytes -= self._answers.popitem(last=False)[1][1]
        return size
