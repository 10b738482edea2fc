"""What the status of a pod says of its worker. Values in, values out."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from ..base import ExitInfo
from .manifests import CONTAINER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .api import Thing

_SIGNALLED = 128
_MOST_TOLD = 500
# Reasons to wait that pass by themselves, and are told by nothing else.
_COMING = frozenset({"", "ContainerCreating", "PodInitializing"})
# Of an end these say no more than its code does.
_PLAIN = frozenset({"", "Completed", "Error"})


def is_started(pod: Thing) -> bool:
    """Whether its worker's process was started."""
    state = _state(pod)
    return "running" in state or "terminated" in state


def has_ended(pod: Thing) -> bool:
    """Whether its worker's process has ended, or never will be started."""
    return "terminated" in _state(pod) or _status(pod).get("phase") in {"Succeeded", "Failed"}


def is_faulty(pod: Thing) -> bool:
    """Whether the node has tried to start it and failed, as with an image that is not there."""
    return _waiting(pod).get("reason", "") not in _COMING


def waits_for(pod: Thing, event: str) -> str:
    """What keeps it from starting, as the cluster says; `event` is the latest warning of one."""
    waiting = _waiting(pod)
    if is_faulty(pod):
        return _told(waiting)
    for condition in _status(pod).get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return _told(condition)
    return event or _told(waiting) or "queued"


def warning(events: Iterable[Thing]) -> str:
    """The latest event that is a warning; empty if there is none."""
    warnings = [event for event in events if event.get("type") == "Warning"]
    return _told(max(warnings, key=_when)) if warnings else ""


def exit_info(pod: Thing, tail: str, *more: str) -> ExitInfo:
    """How its worker ended, with the reasons that the cluster and `more` give."""
    ended, status = _state(pod).get("terminated") or {}, _status(pod)
    code = ended.get("exitCode")
    number = ended.get("signal") or None
    if code is not None and code > _SIGNALLED:  # as with a shell
        number = number or code - _SIGNALLED
    why = [_told(status)] if status.get("reason") else []  # evicted, or its node shuts down
    if ended.get("reason", "") not in _PLAIN:
        why.append(_told(ended))
    for condition in status.get("conditions") or ():
        if condition.get("type") == "DisruptionTarget" and condition.get("status") == "True":
            why.append(_told(condition))
    return ExitInfo(
        code=None if number else code,
        signal=number,
        stderr=tail,
        reason="; ".join(dict.fromkeys(filter(None, (*why, *more)))),
    )


def ended_before(pod: Thing, moment: datetime) -> bool:
    """Whether its worker ended before `moment`."""
    ended = (_state(pod).get("terminated") or {}).get("finishedAt")
    return ended is not None and datetime.fromisoformat(ended) < moment


def _status(pod: Thing) -> Thing:
    return pod.get("status") or {}


def _state(pod: Thing) -> Thing:
    for container in _status(pod).get("containerStatuses") or ():
        if container.get("name") == CONTAINER:
            return container.get("state") or {}
    return {}


def _waiting(pod: Thing) -> Thing:
    return _state(pod).get("waiting") or {}


def _told(what: Thing) -> str:
    """``reason: message``, as clusters say it of most things."""
    told = ": ".join(str(part) for key in ("reason", "message") if (part := what.get(key)))
    return told[:_MOST_TOLD]


def _when(event: Thing) -> str:
    return event.get("lastTimestamp") or event.get("eventTime") or ""
