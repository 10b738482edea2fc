"""Who writes a machine's records: one process at a time, known by host, number and start.

The number of a process is given again to others, so its start tells whether it is still the same.
"""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path
from typing import NamedTuple

_STATE, _START = 0, 19  # fields of /proc/PID/stat behind the name of the program


class Claim(NamedTuple):
    """A process that writes."""

    host: str
    pid: int
    start: str
    """When it started, in the words of its system; empty where that cannot be asked."""

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host!r}"


def own_claim() -> Claim:
    """The claim of this process."""
    pid = os.getpid()
    return Claim(platform.node(), pid, _start_of(pid) or "")


def is_alive(claim: Claim) -> bool | None:
    """Whether that process still runs; None if it cannot be seen from here."""
    if claim.host != platform.node():
        return None
    if claim.start:
        return _start_of(claim.pid) == claim.start
    if os.name != "posix" or not 0 < claim.pid < 2**31:
        return None
    try:
        os.kill(claim.pid, 0)  # signal 0 only asks
    except ProcessLookupError:
        return False
    except OSError:
        return True  # there is one, of somebody else
    return True


def _start_of(pid: int) -> str | None:
    """When a process started, if it runs; one that has ended and was not waited for does not."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        fields = text.rpartition(")")[2].split()
        if fields[_STATE] in "ZX":
            return None
        return f"{_boot()}+{fields[_START]}"
    except (OSError, IndexError):
        return None


@cache
def _boot() -> str:
    """Which start of the system this is: ticks since then begin anew with each."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
    except OSError:
        return ""
