"""Setting the operating system's limits on this process, before any user code is imported."""

from __future__ import annotations

import logging
import resource
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_LIMITS = {
    "memory": resource.RLIMIT_AS,
    "files": resource.RLIMIT_NOFILE,
    "cpu": resource.RLIMIT_CPU,
}
_log = logging.getLogger("am_node")


def apply_rlimits(limits: Mapping[str, int]) -> None:
    """Lower the limits named; unknown names and values the system refuses are logged and skipped.

    A value above the hard limit is clipped to it, since only root may raise that.
    """
    for name, value in limits.items():
        which = _LIMITS.get(name)
        if which is None or type(value) is not int or value <= 0:
            _log.warning("rlimit %r = %r is ignored", name, value)
            continue
        _, hard = resource.getrlimit(which)
        clipped = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(which, (clipped, clipped))
        except (ValueError, OSError) as exc:
            _log.warning("rlimit %s = %d was refused: %s", name, value, exc)
