"""Debugging by environment, for the machines of this package.

Supervisors, workers and clients take part like machines of one's own. Those inside them (slots,
lanes, bootstraps, news) are chatty and seldom what one looks for: their tag `am:inner` keeps them
out, unless `AM_NODE_DBG` is on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import am_helpers as amh

if TYPE_CHECKING:
    import am_machine as am


def debug(mach: am.Machine) -> None:
    """Apply the `AM_...` variables to a machine; a log level of its own goes before `AM_LOG`."""
    level = mach.log_level
    amh.debug_env(mach)
    if level:
        mach.log_level = level


def inner_tags(*tags: str) -> tuple[str, ...]:
    """Return the tags of a machine that is there for this package's own use."""
    return tags if amh.is_on("AM_NODE_DBG") else (*tags, amh.INNER)
