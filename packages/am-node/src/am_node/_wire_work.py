"""How requests and answers travel: one by one, or several together.

A request is ``WorkRequested(req=..., **args)``, or ``WorkQueued`` likewise. Several are one
``WorkQueued(batch=[[req, args], ...])``, which is accepted whole or refused whole. An answer is
``{req, data}`` or ``{req, error}``; those of requests that came in a batch may come together, as
``{batch: [answer, ...]}``. Nothing here knows a machine or a link.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

ANSWER: Final = "work"
BATCH: Final = "batch"
# Payloads of a supervisor: where a worker is, or that there is none; that a lease is over.
PROVIDE: Final = "ProvideWorker"
LEASE_ENDED: Final = "LeaseEnded"
MAX_REQ_BYTES: Final = 64
# A batch of answers stays a small message; a larger answer travels alone.
MAX_TOGETHER_BYTES: Final = 64 * 1024

_SMALL = 8
_SCALARS = (int, float, bool, type(None))


def is_req(req: object) -> bool:
    """Whether `req` can be the id of a request; None is one that nobody waits for."""
    return req is None or (isinstance(req, bytes) and 0 < len(req) <= MAX_REQ_BYTES)


def unpack_batch(
    args: Mapping[str, Any],
) -> list[tuple[bytes | None, dict[str, Any]]] | None:
    """The requests of a batch; None if `args` are those of a single request, or not well-formed.

    A single request has `req` among its args, so the work may have an arg called `batch`.
    """
    items = args.get(BATCH)
    if len(args) != 1 or not isinstance(items, (list, tuple)):
        return None
    requests: list[tuple[bytes | None, dict[str, Any]]] = []
    for item in items:
        if not isinstance(item, (list, tuple)) or len(item) != 2:
            return None
        req, given = item
        if not isinstance(req, bytes) or not is_req(req) or not isinstance(given, dict):
            return None
        # A request names its id beside its args, so none of these can be called that.
        if "req" in given or not all(type(name) is str for name in given):
            return None
        requests.append((req, given))
    return requests


def unpack_answers(data: object) -> list[Mapping[str, Any]]:
    """The answers of one payload; what is not well-formed is left out."""
    if not isinstance(data, Mapping):
        return []
    items = data.get(BATCH) if len(data) == 1 else None
    if items is None:
        return [data]
    return [item for item in items if isinstance(item, Mapping)] if isinstance(items, list) else []


def error_answer(exc: BaseException) -> dict[str, Any]:
    """The answer that tells the caller of an exception, by its type's name and its text."""
    return {"error": {"type": type(exc).__name__, "message": str(exc)}}


def weight(value: object) -> int:
    """About how many bytes of memory, or of a message, a value takes."""
    if type(value) in _SCALARS:
        return _SMALL
    if isinstance(value, (bytes, str)):
        return _SMALL + len(value)
    if isinstance(value, dict):
        total = _SMALL * (1 + len(value))
        for key, part in value.items():
            total += len(key) if isinstance(key, (bytes, str)) else 0
            total += _SMALL if type(part) in _SCALARS else weight(part)
        return total
    if isinstance(value, (list, tuple)):
        return _SMALL + sum(map(weight, value))
    return _SMALL
