"""What the kernel tells of processes; Linux only."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_MEBIBYTE = 2**20


def ran(pids: Iterable[int]) -> float:
    """Seconds of processor time that some processes have used, ended threads included."""
    return sum(time.clock_gettime(_clock(pid)) for pid in pids)


def _clock(pid: int) -> int:
    """The clock of a process's processor time, as `clock_getcpuclockid` of Linux's C library."""
    return (~pid << 3) | 2


def rss(pid: int) -> float:
    """Resident size of a process in MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / _MEBIBYTE


def peak(pid: int) -> float:
    """The largest resident size that a process ever had, in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (kibibytes,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(kibibytes) / 1024
