"""One request of a client, from the call until its outcome is known."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .._errors import WorkerLost, WorkError
from .._escape import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    import am_machine as am

    from .worker_link import WorkerLink

REQ_BYTES = 16
# Lost workers that an error tells of.
MOST_LOSSES = 10


class Request:
    """Work for some worker. `done` is called once, with `result` or `error` set.

    `tried` counts the workers that may have begun it. `link` is the one that has it now.
    """

    __slots__ = (
        "args", "attempts", "deadline", "done", "error", "given_at", "is_owned", "is_sent",
        "is_suspect", "link", "losses",
        "number", "req", "result", "retry_on", "source", "tried",
    )  # fmt: skip

    def __init__(
        self,
        args: Mapping[str, Any],
        attempts: int,
        retry_on: frozenset[str],
        done: Callable[[Request], None],
        source: am.Source | None,
        number: int = 0,
        deadline: float = 0.0,
    ) -> None:
        # Random, so that a worker tells the requests of all its clients apart.
        self.req = secrets.token_bytes(REQ_BYTES)
        self.args = args
        self.attempts = attempts
        self.retry_on = retry_on
        self.done = done
        self.source = source
        self.number = number
        self.deadline = deadline
        self.tried = 0
        self.link: WorkerLink | None = None
        # Sent to the worker; accepted by it.
        self.is_sent = self.is_owned = False
        # It was at a worker that was lost, so it may be what kills workers.
        self.is_suspect = False
        self.given_at = 0.0
        # Of each worker that was lost with it: which, why, and what attempt that was; 0 is none.
        self.losses: list[tuple[str, str, int]] = []
        self.result: Any = None
        self.error: Exception | None = None

    @property
    def is_alone(self) -> bool:
        """Whether a worker may have no other beside it, so that it is known what became of it."""
        return self.is_suspect or self.attempts == 1

    def unsent(self) -> None:
        """The worker did not begin it, so this was no attempt."""
        self.tried -= self.is_sent
        self.is_sent = self.is_owned = False

    def answer(self, answer: Mapping[str, Any], worker_id: str) -> bool:
        """Take a worker's answer; False if it is an error after which to try again."""
        error = answer.get("error")
        if error is None:
            self.result = answer.get("data")
        else:
            failure = _work_error(error, worker_id)
            failure.attempt = self.tried
            if failure.type_name in self.retry_on and self.tried < self.attempts:
                # The worker would answer the same id from memory.
                self.req = secrets.token_bytes(REQ_BYTES)
                return False
            self.error = failure
        self.done(self)
        return True

    def lost(self, worker_id: str, why: str, *, charged: bool) -> None:
        """A worker is gone that may have begun it; `charged` if nothing else was there."""
        self.losses.append((worker_id, why, self.tried if charged else 0))
        del self.losses[:-MOST_LOSSES]

    def fail_as_lost(self, words: str) -> None:
        """All attempts are used up: the last loss is the error, the others are notes.

        `words` are the last that the worker wrote.
        """
        worker_id, why, _ = self.losses[-1]
        error = WorkerLost(f"{why}, in each of {self.tried} attempts")
        error.worker_id, error.attempt = worker_id, self.tried
        for worker, reason, attempt in self.losses[:-1]:
            which = f"Attempt {attempt}" if attempt else "Among others"
            error.add_note(f"{which}, on the worker {worker}: {reason}")
        if words:
            error.add_note(f"The last that the worker {worker_id} wrote:\n{words}")
        self.fail(error)

    def fail(self, error: Exception) -> None:
        """There will be no answer."""
        self.error = error
        self.done(self)


def _work_error(error: object, worker_id: str) -> WorkError:
    if isinstance(error, Mapping):
        failure = WorkError(
            str(error.get("type", "error")), str(error.get("message", "")), worker_id
        )
        if trace := str(error.get("trace") or ""):
            failure.add_note(f"On the worker {worker_id}:\n{printable(trace.rstrip())}")
        return failure
    return WorkError("error", str(error), worker_id)
