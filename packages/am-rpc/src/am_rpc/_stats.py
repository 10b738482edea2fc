"""Counters of one component, plain integers for any exporter."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(slots=True)
class Stats:
    """What a server, mux or client has done since it was made.

    Sizes are bytes, `rtt_us` is microseconds.
    """

    calls: int = 0
    notifications: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    pushes: int = 0
    pushes_merged: int = 0
    mutations: int = 0
    canceled: int = 0
    dedup_hits: int = 0
    syncs: int = 0
    checksum_errors: int = 0
    reconnects: int = 0
    resumes: int = 0
    payloads: int = 0
    payloads_resent: int = 0
    buffered: int = 0
    buffer_peak: int = 0
    errors: int = 0
    rtt_us: int = 0

    def as_dict(self) -> dict[str, int]:
        """Return all counters by name."""
        return {counter.name: getattr(self, counter.name) for counter in fields(self)}
