"""What a user may tune.

The reference table in the docs is generated from this module, so an option without unit and
meaning does not pass the tests.
"""

from __future__ import annotations

from typing import Any

from ._option import Options, option

KIB = 1024
MIB = 1024 * KIB


class Limits(Options):
    """Bounds on sizes, counts and waiting. Everything that a peer can grow has one."""

    message: int = option("bytes", "largest message a server accepts", default=MIB)
    client_message: int = option(
        "bytes", "largest message a client accepts (schemas)", default=4 * MIB
    )
    text: int = option("bytes", "longest str or bin in a message to a server", default=64 * KIB)
    client_text: int = option(
        "bytes", "longest str or bin in a message to a client", default=256 * KIB
    )
    array: int = option("items", "longest array to a server, or 2 x states if larger", default=1024)
    client_array: int = option("items", "longest array in a message to a client", default=65_536)
    map: int = option(
        "items", "largest map in a message (a client also takes 4,096 states)", default=1024
    )
    depth: int = option("levels", "deepest nesting of a message", default=32)
    containers: int = option(
        "arrays and maps", "most of them in one message to a server", default=10_000
    )
    client_containers: int = option(
        "arrays and maps", "most of them in one message to a client", default=1_000_000
    )
    stranger_bytes: int = option(
        "bytes", "all that a peer may say before it is known", default=64 * KIB
    )
    stranger_items: int = option(
        "items", "longest array or map of a peer that is not known yet", default=64
    )
    stranger_containers: int = option(
        "arrays and maps", "most of them in one message of a peer not known yet", default=256
    )
    strangers: int = option(
        "connections", "that may shake hands at once; the oldest makes room", default=64
    )
    args: int = option(
        "bytes", "largest mutation with its args, encoded, in one message", default=64 * KIB
    )
    large_args: int = option(
        "bytes",
        "largest args that come in chunks, and all that a client holds of them; 0 for none",
        default=64 * MIB,
    )
    large_array: int = option("items", "longest array in args that come in chunks", default=65_536)
    large_map: int = option("items", "largest map in args that come in chunks", default=4096)
    large_timeout: float = option(
        "seconds", "time from the first to the last chunk of args", default=60.0
    )
    args_depth: int = option("levels", "deepest nesting of args", default=16)
    args_keys: int = option("keys", "most keywords of one mutation", default=256)
    arg_key: int = option("bytes", "longest keyword", default=128)
    unread_responses: int = option(
        "messages", "responses waiting before a server stops reading", default=64
    )
    unread_bytes: int = option(
        "bytes", "responses waiting before a server stops reading", default=256 * KIB
    )
    batch: int = option("messages", "messages handled before other tasks get a turn", default=64)
    out_items: int = option(
        "messages", "outgoing messages waiting before a client is cut", default=1024
    )
    out_bytes: int = option(
        "bytes", "outgoing bytes waiting before a client is cut", default=8 * MIB
    )
    write_stall: float = option("seconds", "longest time that nothing can be written", default=10.0)
    records: int = option(
        "records", "per-mutation records kept before they are merged", default=4096
    )
    errors_per_minute: int = option("errors", "refused messages before a peer is cut", default=100)
    payload: int = option("bytes", "largest payload, encoded", default=64 * MIB)
    chunk: int = option(
        "bytes", "payloads above this travel in chunks of this size", default=256 * KIB
    )
    undelivered: int = option("payloads", "undelivered payloads kept per session", default=64)
    undelivered_bytes: int = option(
        "bytes", "undelivered payloads kept per session", default=8 * MIB
    )
    payload_timeout: float = option("seconds", "time for a consumer to take a payload", default=5.0)
    tokens: int = option("tokens", "payload tokens remembered to ignore repeats", default=1024)
    calls: int = option("mutations", "unsettled mutations a client holds", default=1000)
    calls_bytes: int = option(
        "bytes", "unsettled mutations a client holds, encoded", default=8 * MIB
    )
    unacknowledged: int = option(
        "mutations", "one-way mutations before a client pings", default=500
    )
    sessions: int = option(
        "sessions", "sessions a server keeps, oldest dropped first", default=8192
    )
    stranger_sessions: int = option(
        "sessions", "idle ones of clients that proved and did nothing yet", default=64
    )
    session_bytes: int = option(
        "bytes", "kept for a session, or one larger value", default=16 * MIB
    )
    store_bytes: int = option("bytes", "kept for all sessions together", default=256 * MIB)
    session_ttl: float = option("seconds", "time a session outlives its connection", default=600.0)
    outcomes: int = option("outcomes", "outcomes kept per session for repeated calls", default=1024)
    subscriptions: int = option("waits", "remote when_args waits per connection", default=1024)
    hops: int = option("levels", "deepest tree of relays", default=16)
    handshake: float = option("seconds", "time from connect to ready, both sides", default=5.0)
    refusal_delay: float = option("seconds", "delay of a refused secret, +-50 %", default=0.5)
    heartbeat: float = option("seconds", "silence after which a side pings", default=10.0)
    dead: float = option("seconds", "silence after which a side closes", default=30.0)
    grace: float = option("seconds", "time between bye and close", default=0.010)
    close: float = option("seconds", "longest time a close may take", default=3.0)
    mismatches: int = option(
        "mismatches", "checksum mismatches within 60 s before a restart", default=3
    )


class Sync(Options):
    """What a client wants to follow, and in which form."""

    schema: bool = option("", "send the whole schema (all or nothing)", default=True)
    allowed: tuple[str, ...] | None = option(
        "states", "states to follow; None means all", default=None
    )
    skipped: tuple[str, ...] = option("states", "states not to follow", default=())
    mutations: bool = option("", "one record per mutation; switches `shallow` off", default=False)
    shallow: bool = option("", "send only flips; ticks are then not the source's", default=False)
    queue: bool = option("", "follow queue tick and machine tick", default=True)

    def settled(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return names as tuples of str, and one mode where two exclude each other."""
        for name in given.keys() & {"allowed", "skipped"}:
            given[name] = _names(name, given[name], tuple)
        if given.get("mutations"):
            given["shallow"] = False
        return given


class Retry(Options):
    """When a client tries again, and when it gives up."""

    connect_timeout: float = option("seconds", "one attempt to connect", default=3.0)
    connect_tries: int = option("tries", "attempts in a row before giving up", default=50)
    connect_delay: float = option("seconds", "first pause, doubled after each attempt", default=1.0)
    connect_max_delay: float = option("seconds", "longest pause between attempts", default=10.0)
    connect_total: float = option("seconds", "all attempts in a row together", default=300.0)
    jitter: float = option("fraction", "random part of each pause, both ways", default=0.2)
    reconnect: bool = option("", "connect again after a clean disconnect", default=True)
    call_timeout: float = option("seconds", "one attempt of a call", default=3.0)
    call_tries: int = option("repeats", "repeats of a call before it is canceled", default=15)
    call_delay: float = option(
        "seconds", "first pause before a repeat, doubled each time", default=0.1
    )
    call_max_delay: float = option("seconds", "longest pause before a repeat", default=10.0)
    call_total: float = option("seconds", "all attempts of a call together", default=60.0)

    def connect_pause(self, attempt: int, random: float) -> float:
        """Return the seconds to wait after failed attempt number `attempt`, from 1.

        `random` is a number from 0 to 1 and spreads the pause by `jitter` both ways.
        """
        pause = min(self.connect_max_delay, self.connect_delay * 2.0 ** min(attempt - 1, 30))
        return pause * (1 + self.jitter * (2 * random - 1))

    def call_pause(self, repeat: int) -> float:
        """Return the seconds to wait before repeat number `repeat`, from 1."""
        return min(self.call_max_delay, self.call_delay * 2.0 ** min(repeat - 1, 30))


class Access(Options):
    """What clients of a server may do."""

    read: frozenset[str] | None = option(
        "states", "states a client may follow; None means all", default=None
    )
    write: frozenset[str] | None = option(
        "states", "states a client may mutate; None means all but the payload state", default=None
    )
    check: bool = option("", "whether remote checks may run negotiation handlers", default=True)

    errors: bool = option(
        "", "whether a caller is told type and text of errors that it causes", default=True
    )

    def settled(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return names as frozen sets of str."""
        for name in given.keys() & {"read", "write"}:
            given[name] = _names(name, given[name], frozenset)
        return given

    @property
    def is_nothing(self) -> bool:
        """Tell whether a client may neither follow nor mutate any state."""
        return self.read == frozenset() and self.write == frozenset()


def _names(option: str, value: Any, collection: type[Any]) -> Any:
    """Return names of states as plain str in a collection; None stays None."""
    if isinstance(value, str):
        raise TypeError(f"{option}: give several states, not one str")
    return None if value is None else collection(str(state) for state in value)
