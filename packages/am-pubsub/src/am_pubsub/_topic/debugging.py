"""Debugging by environment: `AM_PUBSUB_LOG` and `AM_PUBSUB_DBG`, beside what all machines obey.

The machine of a topic takes part like one of one's own. Replicas are many, and seldom what one
looks for: their tag `am:inner` keeps them out, unless `AM_PUBSUB_DBG` is on.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Final

import am_helpers as amh
import am_machine as am

if TYPE_CHECKING:
    import am_rpc

logger: Final = logging.getLogger("am_pubsub")


def tune(mach: am.Machine) -> None:
    """Apply the environment to the machine of a topic; `AM_PUBSUB_LOG` is a level, 0 to 5."""
    amh.debug_env(mach)
    value = os.environ.get("AM_PUBSUB_LOG", "").strip()
    if not value:
        return
    try:
        mach.log_level = am.LogLevel(int(value))
    except ValueError:
        logger.warning("AM_PUBSUB_LOG=%r is not a level from 0 to 5", value)


def replica_tags() -> tuple[str, ...]:
    """Return the tag that keeps replicas out of debugging, unless they are asked for."""
    return () if amh.is_on("AM_PUBSUB_DBG") else (amh.INNER,)


def tune_replica(replica: am_rpc.NetworkMachine) -> None:
    """Let a replica take part in debugging if that is asked for."""
    if amh.is_on("AM_PUBSUB_DBG"):
        amh.debug_env(replica)
