"""Switches for the machines of this package itself.

They are chatty and seldom what one debugs, so they take part only when asked: `AM_RPC_DBG` lets
them join debugging by environment, which their tag `am:inner` else keeps them out of;
`AM_RPC_LOG_SERVER`, `AM_RPC_LOG_CLIENT` and `AM_RPC_LOG_MUX` set their log levels, 0 to 5.
"""

from __future__ import annotations

import logging
import os
from typing import Final

import am_helpers as ah
import am_machine as am

logger: Final = logging.getLogger("am_rpc")


def own_tags(*tags: str) -> tuple[str, ...]:
    """Return the tags of a machine of this package."""
    return tags if ah.is_on("AM_RPC_DBG") else (*tags, ah.INNER)


def tune(mach: am.Machine, kind: str) -> None:
    """Apply the environment to a machine of kind `SERVER`, `CLIENT` or `MUX`."""
    if ah.is_on("AM_RPC_DBG"):
        ah.debug_env(mach)
    name = f"AM_RPC_LOG_{kind}"
    value = os.environ.get(name, "").strip()
    if not value:
        return
    try:
        mach.log_level = am.LogLevel(int(value))
    except ValueError:
        logger.warning("%s=%r is not a level from 0 to 5", name, value)
