"""Counters of one component, plain integers for any exporter."""

from __future__ import annotations

from ._value import Value


class Stats(Value):
    """What a server, mux or client has done since it was made.

    Sizes are bytes, `rtt_us` is microseconds.
    """

    __slots__ = (
        "buffer_peak", "buffered", "bytes_in", "bytes_out", "calls", "canceled", "checksum_errors",
        "dedup_hits", "errors", "kept_bytes", "limits_met", "mutations", "notifications",
        "payloads", "payloads_resent", "pushes", "pushes_merged", "reconnects", "resumes",
        "rtt_us", "strangers_evicted", "syncs",
    )  # fmt: skip

    calls: int
    notifications: int
    bytes_in: int
    bytes_out: int
    pushes: int
    pushes_merged: int
    mutations: int
    canceled: int
    dedup_hits: int
    syncs: int
    checksum_errors: int
    reconnects: int
    resumes: int
    payloads: int
    payloads_resent: int
    buffered: int
    buffer_peak: int
    errors: int
    kept_bytes: int
    limits_met: int
    rtt_us: int
    strangers_evicted: int

    def __init__(self) -> None:
        for name in self.__slots__:
            setattr(self, name, 0)

    def as_dict(self) -> dict[str, int]:
        """Return all counters by name."""
        return {name: getattr(self, name) for name in self.__slots__}
