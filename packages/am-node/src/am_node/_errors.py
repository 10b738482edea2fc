"""Every error of this package, named for the situation it reports.

The reasons named ``Err…`` are never raised at a caller: they are put into a machine's ``err`` and
say why its state of that kind was added.
"""

from __future__ import annotations


class NodeError(Exception):
    """Base of all errors of this package."""


class EntryPointError(NodeError, ValueError):
    """An entry point is malformed, cannot be imported or names no worker class."""


class BootError(NodeError):
    """The boot configuration of a worker process is missing, oversized or malformed."""


class WorkerError(NodeError):
    """Something is wrong with one worker of a pool; ``worker_id`` names it."""

    def __init__(self, message: str, worker_id: str = "") -> None:
        super().__init__(message)
        self.worker_id = worker_id


class ErrWorkerMissing(WorkerError):
    """The worker is not (any more) in the pool."""


class ErrWorkerHealth(WorkerError):
    """The worker did not answer its health check, or a client complained about it."""


class ErrWorkerConn(WorkerError):
    """The worker did not report its addresses in time, or its private link could not be made."""


class ErrWorkerKill(WorkerError):
    """The worker's process could not be ended."""


class ErrWorkerExit(WorkerError):
    """The worker's process ended without being asked to.

    ``code`` is its exit code, ``signal`` the number of the signal that ended it (one of them is
    None), ``stderr`` the tail of what it wrote there.
    """

    def __init__(
        self, message: str, worker_id: str, code: int | None, signal: int | None, stderr: str
    ) -> None:
        super().__init__(message, worker_id)
        self.code = code
        self.signal = signal
        self.stderr = stderr


class PoolError(NodeError):
    """The pool could not be brought to its minimum."""


class ErrHeartbeat(PoolError):
    """A round of health checks did not end in time."""


class SupervisorLost(NodeError):
    """No supervisor could be reached, or the one in use went away."""


class WorkerLost(NodeError):
    """The worker went away with the request, on each of the attempts allowed.

    ``worker_id`` is the last of them, ``attempt`` the number of attempts made. Notes tell of the
    others, and what the last one wrote last.
    """

    worker_id = ""
    attempt = 0


class NoWorkers(NodeError):
    """No supervisor had a worker to give within the time allowed."""


class WorkError(NodeError):
    """The work itself failed on the worker; retrying it is the caller's choice.

    ``type_name`` is the name of the exception's class there, ``message`` its text, ``worker_id``
    the worker, and ``attempt`` the number of the attempt, from 1.
    """

    attempt = 1

    def __init__(self, type_name: str, message: str, worker_id: str = "") -> None:
        super().__init__(f"{type_name}: {message}" if message else type_name)
        self.type_name = type_name
        self.message = message
        self.worker_id = worker_id


class WorkTimeout(NodeError, TimeoutError):
    """A request was not answered within its time, or took longer than its worker allows."""
