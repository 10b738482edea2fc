"""What engines call a worker."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .base import WorkerSpec


def job_name(spec: WorkerSpec) -> str:
    """The name of a worker's job: its supervisor, whose id names the pool, and itself."""
    name = f"{spec.labels.get('supervisor', 'am-node')}.{spec.worker_id}"
    return re.sub(r"[^\w.-]", "-", name)
