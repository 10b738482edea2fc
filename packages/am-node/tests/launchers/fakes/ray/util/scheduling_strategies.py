"""Where something is to run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class NodeAffinitySchedulingStrategy:
    """On this node."""

    node_id: str
    soft: bool
