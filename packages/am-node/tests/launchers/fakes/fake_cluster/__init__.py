"""A cluster that is none: an API server over real HTTP, whose pods are processes of this host.

It knows what a launcher asks for: pods with logs, secrets, events, watches, graceful deletion,
garbage collection by owner, and the rules of a role. Nothing here isolates or limits anything, and
no real API server checks what it is sent.
"""

from __future__ import annotations

from .cluster import Cluster as Cluster

__all__ = ["Cluster"]
