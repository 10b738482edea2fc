"""How requests and answers travel: one by one, or several together.

A request is ``WorkRequested(req=..., **args)``, or ``WorkQueued`` likewise. Several are one
``WorkQueued(batch=[[req, args], ...])``, which is accepted whole or refused whole. An answer is
``{req, data}`` or ``{req, error}``, or ``{req, back}`` if the request was not begun; those of
requests that came in a batch may come together, as ``{batch: [answer, ...]}``. Nothing here knows a
machine or a link.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

ANSWER: Final = "work"
BATCH: Final = "batch"
# Of an answer: the request was not begun, and is to be given to another worker.
BACK: Final = "back"
# Payloads of a supervisor: where a worker is, or that there is none; that a lease is over.
PROVIDE: Final = "ProvideWorker"
LEASE_ENDED: Final = "LeaseEnded"
# How the supervisor and its workers are.
STATUS: Final = "ProvideStatus"
# Payloads of a worker to its supervisor: an error of its own; that it has drained and ends.
WORKER_ERROR: Final = "WorkerError"
WORKER_ENDS: Final = "WorkerEnds"
MAX_REQ_BYTES: Final = 64
# Characters of an error that travel.
MAX_TYPE: Final = 256
MAX_MESSAGE: Final = 16 * 1024
MAX_TRACE: Final = 16 * 1024
# Characters of what a lost worker wrote last.
MAX_WORDS: Final = 2000
# A batch of answers stays a small message; a larger answer travels alone.
MAX_TOGETHER_BYTES: Final = 64 * 1024

# Weighing must not take long, whatever a value holds, itself included.
DEEPEST_WEIGHED: Final = 40
MOST_WEIGHED: Final = 100_000
# Of what is not weighed: more than any answer that can travel.
MAX_WEIGHT: Final = 80 * 2**20

# Ids and args; nobody waits for one without id.
Requests = list[tuple[bytes | None, dict[str, Any]]]

_SMALL = 8
_SCALARS = frozenset((int, float, bool, type(None)))


def is_req(req: object) -> bool:
    """Whether `req` can be the id of a request; None is one that nobody waits for."""
    return req is None or (isinstance(req, bytes) and 0 < len(req) <= MAX_REQ_BYTES)


def unpack_requests(args: Mapping[str, Any]) -> Requests | None:
    """The requests of a `WorkQueued`: one, or a batch; None if they are malformed."""
    if BATCH in args and "req" not in args:
        return unpack_batch(args)
    single = dict(args)
    req = single.pop("req", None)
    return [(req, single)] if is_req(req) else None


def unpack_batch(args: Mapping[str, Any]) -> Requests | None:
    """The requests of a batch; None if `args` are those of a single request, or not well-formed.

    A single request has `req` among its args, so the work may have an arg called `batch`.
    """
    items = args.get(BATCH)
    if len(args) != 1 or not isinstance(items, (list, tuple)):
        return None
    requests: Requests = []
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


def error_answer(exc: BaseException, *, traced: bool = False) -> dict[str, Any]:
    """The answer that tells the caller of an exception, by its type's name and its text.

    It can be made of every exception, and can travel. With `traced` its traceback goes along.
    """
    error = {"type": _sendable(type(exc).__name__, MAX_TYPE), "message": _sendable(text_of(exc)[0])}
    if traced:
        error["trace"] = _traceback(exc)
    return {"error": error}


def text_of(exc: BaseException) -> tuple[str, bool]:
    """Return the text of an exception, and whether it can be made: its class may do anything."""
    try:
        return str(exc), True
    except BaseException as broken:
        return f"<its text cannot be made: {type(broken).__name__}>", False


def _traceback(exc: BaseException) -> str:
    import traceback

    try:
        begin = exc.__traceback__
        # What called the work is not the caller's business, be it in a thread.
        while begin is not None and _calls_work(begin.tb_frame.f_globals):
            begin = begin.tb_next
        text = "".join(traceback.format_exception(type(exc), exc, begin))
    except BaseException:  # of the exception's own code, or of what it holds
        return ""
    if len(text) > MAX_TRACE:
        half = MAX_TRACE // 2
        text = f"{text[:half]}\n...\n{text[-half:]}"
    return _sendable(text, MAX_TRACE + 5)


def _calls_work(names: Mapping[str, Any]) -> bool:
    package = str(names.get("__name__", "")).partition(".")[0]
    return package in {"am_node", "trio", "outcome"}


def _sendable(text: str, most: int = MAX_MESSAGE) -> str:
    """A text as far as it can travel: no lone surrogates, and not too long for a message."""
    text = text if len(text) <= most else f"{text[:most]}..."
    return text.encode("utf-8", "backslashreplace").decode()


def weight(value: object) -> int:
    """About how many bytes of memory, or of a message, a value takes.

    What is nested too deeply to travel, has very many parts, or cannot be looked into is not
    weighed and counts as heavy.
    """
    weighed = _weigh(value, _SMALL)
    return MAX_WEIGHT if weighed is None else weighed


def is_too_large(value: object, most: int) -> bool:
    """Whether its texts and bytes alone are more than `most` bytes; False if nobody can tell.

    Packing them, to find that out, would take the better part of a second.
    """
    weighed = _weigh(value, 0)
    return weighed is not None and weighed > most


def _weigh(value: object, small: int) -> int | None:
    """The bytes of all texts, and `small` for each part; None if it is not to be weighed."""
    total = 0
    level = [value]
    try:
        for _ in range(DEEPEST_WEIGHED):
            below: list[object] = []
            for part in level:
                total += small
                if isinstance(part, (bytes, str)):
                    total += len(part)
                elif isinstance(part, dict):
                    total += sum([len(key) for key in part if isinstance(key, (bytes, str))])
                    total += small * len(part)
                    below += [inner for inner in part.values() if type(inner) not in _SCALARS]
                elif isinstance(part, (list, tuple)):
                    total += small * len(part)
                    below += [inner for inner in part if type(inner) not in _SCALARS]
                if len(below) > MOST_WEIGHED:
                    return None
            if not below:
                return total
            level = below
    except BaseException:  # of the value's own code, or of the memory
        return None
    return None
