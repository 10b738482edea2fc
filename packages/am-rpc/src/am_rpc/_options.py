"""What a user may tune, as frozen dataclasses. Units stand in each field's metadata.

The reference table in the docs is generated from this module, so a field without `unit` and `doc`
does not pass the tests.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

KIB = 1024
MIB = 1024 * KIB


def _option(default: Any, unit: str, doc: str) -> Any:
    return field(default=default, metadata={"unit": unit, "doc": doc})


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on sizes, counts and waiting. Everything that a peer can grow has one."""

    message: int = _option(MIB, "bytes", "largest message a server accepts")
    client_message: int = _option(4 * MIB, "bytes", "largest message a client accepts (schemas)")
    text: int = _option(64 * KIB, "bytes", "longest str or bin in a message to a server")
    client_text: int = _option(256 * KIB, "bytes", "longest str or bin in a message to a client")
    array: int = _option(1024, "items", "longest array to a server, or 2 x states if larger")
    client_array: int = _option(65_536, "items", "longest array in a message to a client")
    map: int = _option(1024, "items", "largest map in a message (a client also takes 4,096 states)")
    depth: int = _option(32, "levels", "deepest nesting of a message")
    args: int = _option(64 * KIB, "bytes", "largest mutation with its args, encoded")
    args_depth: int = _option(16, "levels", "deepest nesting of args")
    args_keys: int = _option(256, "keys", "most keywords of one mutation")
    arg_key: int = _option(128, "bytes", "longest keyword")
    unread_responses: int = _option(64, "messages", "responses waiting before reading stops")
    unread_bytes: int = _option(256 * KIB, "bytes", "responses waiting before reading stops")
    batch: int = _option(64, "messages", "messages handled before other tasks get a turn")
    out_items: int = _option(1024, "messages", "outgoing messages waiting before a client is cut")
    out_bytes: int = _option(8 * MIB, "bytes", "outgoing bytes waiting before a client is cut")
    write_stall: float = _option(10.0, "seconds", "longest time one write may take")
    records: int = _option(4096, "records", "per-mutation records kept before they are merged")
    errors_per_minute: int = _option(100, "errors", "refused messages before a peer is cut")
    payload: int = _option(64 * MIB, "bytes", "largest payload, encoded")
    chunk: int = _option(256 * KIB, "bytes", "payloads above this travel in chunks of this size")
    undelivered: int = _option(64, "payloads", "undelivered payloads kept per session")
    undelivered_bytes: int = _option(8 * MIB, "bytes", "undelivered payloads kept per session")
    payload_timeout: float = _option(5.0, "seconds", "time for a consumer to take a payload")
    tokens: int = _option(1024, "tokens", "payload tokens remembered to ignore repeats")
    calls: int = _option(1000, "mutations", "unsettled mutations a client holds")
    calls_bytes: int = _option(8 * MIB, "bytes", "unsettled mutations a client holds, encoded")
    unacknowledged: int = _option(500, "mutations", "one-way mutations before a client pings")
    sessions: int = _option(8192, "sessions", "sessions a server keeps, oldest dropped first")
    session_ttl: float = _option(600.0, "seconds", "time a session outlives its connection")
    outcomes: int = _option(1024, "outcomes", "outcomes kept per session for repeated calls")
    subscriptions: int = _option(1024, "waits", "remote when_args waits per connection")
    hops: int = _option(16, "levels", "deepest tree of relays")
    handshake: float = _option(5.0, "seconds", "time from connect to ready, both sides")
    refusal_delay: float = _option(0.5, "seconds", "delay of a refused secret, +-50 %")
    heartbeat: float = _option(10.0, "seconds", "silence after which a side pings")
    dead: float = _option(30.0, "seconds", "silence after which a side closes")
    grace: float = _option(0.010, "seconds", "time between bye and close")
    close: float = _option(3.0, "seconds", "longest time a close may take")
    mismatches: int = _option(3, "mismatches", "checksum mismatches within 60 s before a restart")


@dataclass(frozen=True, slots=True)
class Sync:
    """What a client wants to follow, and in which form."""

    schema: bool = _option(True, "", "send the whole schema (all or nothing)")
    allowed: tuple[str, ...] | None = _option(None, "states", "states to follow; None means all")
    skipped: tuple[str, ...] = _option((), "states", "states not to follow")
    mutations: bool = _option(False, "", "one record per mutation; switches `shallow` off")
    shallow: bool = _option(False, "", "send only flips; ticks are then not the source's")
    queue: bool = _option(True, "", "follow queue tick and machine tick")

    def __post_init__(self) -> None:
        for name in ("allowed", "skipped"):
            value = getattr(self, name)
            if isinstance(value, str):
                raise TypeError(f"{name}: give a sequence of states, not one str")
            if value is not None:
                object.__setattr__(self, name, tuple(str(state) for state in value))
        if self.mutations and self.shallow:
            object.__setattr__(self, "shallow", False)


@dataclass(frozen=True, slots=True)
class Retry:
    """When a client tries again, and when it gives up."""

    connect_timeout: float = _option(3.0, "seconds", "one attempt to connect")
    connect_tries: int = _option(50, "tries", "attempts in a row before giving up")
    connect_delay: float = _option(1.0, "seconds", "first pause, doubled after each attempt")
    connect_max_delay: float = _option(10.0, "seconds", "longest pause between attempts")
    connect_total: float = _option(300.0, "seconds", "all attempts in a row together")
    jitter: float = _option(0.2, "fraction", "random part of each pause, both ways")
    reconnect: bool = _option(True, "", "connect again after a clean disconnect")
    call_timeout: float = _option(3.0, "seconds", "one attempt of a call")
    call_tries: int = _option(15, "repeats", "repeats of a call before it is canceled")
    call_delay: float = _option(0.1, "seconds", "first pause before a repeat, doubled each time")
    call_max_delay: float = _option(10.0, "seconds", "longest pause before a repeat")
    call_total: float = _option(60.0, "seconds", "all attempts of a call together")

    def connect_pause(self, attempt: int, random: float) -> float:
        """Return the seconds to wait after failed attempt number `attempt`, from 1.

        `random` is a number from 0 to 1 and spreads the pause by `jitter` both ways.
        """
        pause = min(self.connect_max_delay, self.connect_delay * 2.0 ** min(attempt - 1, 30))
        return pause * (1 + self.jitter * (2 * random - 1))

    def call_pause(self, repeat: int) -> float:
        """Return the seconds to wait before repeat number `repeat`, from 1."""
        return min(self.call_max_delay, self.call_delay * 2.0 ** min(repeat - 1, 30))


@dataclass(frozen=True, slots=True)
class Access:
    """What clients of a server may do. None stands for every state."""

    read: frozenset[str] | None = _option(None, "states", "states a client may follow")
    write: frozenset[str] | None = _option(None, "states", "states a client may mutate")
    check: bool = _option(True, "", "whether remote checks may run negotiation handlers")

    def __post_init__(self) -> None:
        for name in ("read", "write"):
            value = getattr(self, name)
            if isinstance(value, str):
                raise TypeError(f"{name}: give a set of states, not one str")
            if value is not None:
                object.__setattr__(self, name, frozenset(str(state) for state in value))
