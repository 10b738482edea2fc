"""What a server remembers of a client's life across reconnects, as a pure data structure.

A mutation is identified by its sequence number within a session. One that was seen before is not
executed again: its stored outcome, or the one still on its way, is the answer. Time comes in as a
number of seconds, so that tests need no clock.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any, Final

from .._budget import Budget
from .._errors import LimitExceeded
from .._wire.payload_chunks import Undelivered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .._options import Limits
    from .._stats import Stats
    from .._wire.mutation_messages import Failure

# Characters of a refusal that are kept for those who ask again.
_LONGEST_REFUSAL: Final = 1024
# Bytes that something small takes beside its own.
_OVERHEAD: Final = 200


class Outcome:
    """How one mutation ended, or who wants to know when it does."""

    __slots__ = ("cost", "executed", "failure", "refusal", "waiting")

    def __init__(
        self, executed: bool | None = None, refusal: tuple[int, str] | None = None
    ) -> None:
        self.executed = executed
        self.refusal = refusal
        # Type and text of an error that it met.
        self.failure: Failure | None = None
        self.waiting: list[Callable[[Outcome], None]] | None = None
        # Bytes taken from the session's budget.
        self.cost = 0

    @property
    def settled(self) -> bool:
        """Tell whether the outcome is known."""
        return self.executed is not None or self.refusal is not None

    def settle(
        self, *, executed: bool | None = None, refusal: tuple[int, str] | None = None
    ) -> None:
        """Record the outcome and tell all who wait for it."""
        self.executed, self.refusal = executed, refusal
        waiting, self.waiting = self.waiting, None
        for callback in waiting or ():
            callback(self)

    def when_settled(self, callback: Callable[[Outcome], None]) -> None:
        """Call back once the outcome is known."""
        if self.waiting is None:
            self.waiting = []
        self.waiting.append(callback)


# Nearly all outcomes are one of these, by whether the mutation was executed.
SETTLED = (Outcome(False), Outcome(True))


class Session:
    """One client: its nonce, who it proved to be, what it did.

    `last` is the highest number of a mutation that was executed, `next_call` counts the server's
    own requests, `owner` is the connection that serves the session now; the store does not look
    inside. `accepted` tells whether the client ever said that a welcome reached it: before that it
    knows nothing of the session, so there is nothing that it could resume. All that is kept for
    the client is taken from `budget`.
    """

    __slots__ = (
        "_most_outcomes", "_outcomes", "accepted", "args_budget", "budget", "client_id",
        "idle_since", "key_id", "last", "limits", "next_call", "nonce", "owner", "scope",
        "undelivered",
    )  # fmt: skip

    def __init__(
        self,
        nonce: bytes,
        client_id: str,
        key_id: str | None,
        limits: Limits,
        whole: Budget,
        scope: bytes = b"",
    ) -> None:
        self.nonce = nonce
        self.client_id = client_id
        self.key_id = key_id
        # Which machine of several it is with: sessions of one mean nothing to another.
        self.scope = scope
        # What the client takes; the server's own where it said nothing.
        self.limits = limits
        self.budget = Budget(limits.session_bytes, "session_bytes", client_id, whole)
        # Args are kept only while their mutation comes in.
        self.args_budget = Budget(limits.large_args, "large_args", client_id, whole)
        self.undelivered = Undelivered(limits, self.budget)
        self.last = 0
        self.next_call = 0
        self.idle_since: float | None = None
        self.owner: Any = None
        self.accepted = False
        # Numbers only grow, so the order of outcomes is that of their numbers.
        self._outcomes: deque[tuple[int, Outcome]] = deque()
        self._most_outcomes = limits.outcomes

    @property
    def is_stranger(self) -> bool:
        """Tell whether the client has neither proved who it is nor made a mutation."""
        return not self.accepted or (self.key_id is None and self.last == 0)

    def begin(self, seq: int) -> bool:
        """Tell whether a mutation is new, and count it as executed from now on."""
        if seq <= self.last:
            return False
        self.last = seq
        return True

    def remember(self, seq: int, outcome: Outcome) -> None:
        """Keep the outcome of the mutation that began last; the oldest makes room."""
        outcomes = self._outcomes
        if len(outcomes) >= self._most_outcomes:
            self.budget.give(outcomes.popleft()[1].cost)
        outcomes.append((seq, outcome))

    def refuse(self, seq: int, code: int, text: str) -> None:
        """Keep a refusal, for who asks again."""
        self.remember(seq, self.refusal(Outcome(), code, text))

    def refusal(self, outcome: Outcome, code: int, text: str) -> Outcome:
        """Settle an outcome by a refusal, whose text is kept as far as there is room."""
        text = text[:_LONGEST_REFUSAL]
        cost = len(text.encode(errors="replace")) + _OVERHEAD
        try:
            self.budget.take(cost, "refusals")
        except LimitExceeded:
            text, cost = "", 0
        outcome.cost = cost
        outcome.settle(refusal=(code, text))
        return outcome

    def failed(self, outcome: Outcome, executed: bool, failure: Failure) -> Outcome:
        """Settle an outcome of a mutation that met an error, which is kept if there is room."""
        cost = sum(len(text.encode(errors="replace")) for text in failure) + _OVERHEAD
        try:
            self.budget.take(cost, "errors")
        except LimitExceeded:
            cost = 0
        else:
            outcome.failure = failure
        outcome.cost = cost
        outcome.settle(executed=executed)
        return outcome

    def find(self, seq: int) -> Outcome | None:
        """Return the stored outcome of a repeat, or None if there is none or it was forgotten."""
        for known, outcome in reversed(self._outcomes):
            if known <= seq:
                return outcome if known == seq else None
        return None


class SessionStore:
    """All sessions of a listener, bounded in number, in age, and in bytes.

    Those that a connection serves are as many as there are connections. Idle ones are kept for a
    while: strangers' apart from all others, so that nobody's session is lost to strangers.
    """

    def __init__(self, limits: Limits, stats: Stats | None = None) -> None:
        self._limits = limits
        self.budget = Budget(limits.store_bytes, "store_bytes", make_room=self._free, stats=stats)
        self._live: dict[bytes, Session] = {}
        # Oldest first.
        self._idle: OrderedDict[bytes, Session] = OrderedDict()
        self._strangers: OrderedDict[bytes, Session] = OrderedDict()

    def __len__(self) -> int:
        return len(self._live) + len(self._idle) + len(self._strangers)

    def _all(self) -> Iterator[Session]:
        """All of them, those that were idle longest first."""
        yield from self._strangers.values()
        yield from self._idle.values()
        yield from self._live.values()

    def _find(self, nonce: bytes) -> Session | None:
        for kind in (self._live, self._idle, self._strangers):
            session = kind.get(nonce)
            if session is not None:
                return session
        return None

    def resume(
        self, nonce: bytes, client_id: str, key_id: str | None, now: float, scope: bytes = b""
    ) -> Session | None:
        """Return a session that lives and belongs to this client, key and machine, else None."""
        self.expire(now)
        session = self._find(nonce)
        if session is None or not _belongs(session, client_id, key_id) or session.scope != scope:
            return None
        return session

    def open(
        self, nonce: bytes, client_id: str, key_id: str | None, now: float, scope: bytes = b""
    ) -> Session:
        """Return a new session, to be attached next.

        A nonce that belongs to somebody else stays theirs: the newcomer gets a session that
        nobody can resume. One that the same client had with another machine makes room.
        """
        self.expire(now)
        session = Session(nonce, client_id, key_id, self._limits, self.budget, scope)
        known = self._find(nonce)
        if known is not None and known.scope != scope and _belongs(known, client_id, key_id):
            self._drop(known)
            known = None
        if known is None:
            self._live[nonce] = session
        return session

    def _drop(self, session: Session) -> None:
        for kind in (self._live, self._idle, self._strangers):
            if kind.get(session.nonce) is session:
                del kind[session.nonce]
        if session.owner is None:
            session.budget.end()

    def of_client(self, client_id: str, scope: bytes | None = None) -> Session | None:
        """Return the newest session of a client that is away, if there is one."""
        for session in reversed(tuple(self._all())):
            if (
                session.client_id == client_id
                and session.owner is None
                and scope in (None, session.scope)
            ):
                return session
        return None

    def attach(self, session: Session, owner: Any) -> Any:
        """Give the session to a connection; return the one that it replaces, or None."""
        replaced, session.owner = session.owner, owner
        session.idle_since = None
        for kind in (self._idle, self._strangers):
            if kind.get(session.nonce) is session:
                self._live[session.nonce] = kind.pop(session.nonce)
        return None if replaced is owner else replaced

    def detach(self, session: Session, owner: Any, now: float) -> None:
        """Note that a connection is gone; its session lives on for a while."""
        if session.owner is not owner:
            return
        session.owner = None
        session.idle_since = now
        if self._live.get(session.nonce) is not session:
            session.budget.end()
            return
        del self._live[session.nonce]
        if session.is_stranger:
            self._keep(self._strangers, session, self._limits.stranger_sessions)
        else:
            self._keep(self._idle, session, self._limits.sessions - len(self._live))

    @staticmethod
    def _keep(kind: OrderedDict[bytes, Session], session: Session, most: int) -> None:
        kind[session.nonce] = session
        while len(kind) > max(most, 1):
            kind.popitem(last=False)[1].budget.end()

    def _free(self, size: int) -> None:
        """Drop idle sessions until so many bytes are free, or none is left."""
        goal = self.budget.used - size
        for kind in (self._strangers, self._idle):
            while kind and self.budget.used > goal:
                kind.popitem(last=False)[1].budget.end()

    def clear(self) -> None:
        """Forget all sessions, as if the server had started again."""
        for kind in (self._live, self._idle, self._strangers):
            for session in kind.values():
                session.budget.end()
            kind.clear()

    def expire(self, now: float) -> None:
        """Drop sessions that were idle for too long."""
        oldest = now - self._limits.session_ttl
        for kind in (self._strangers, self._idle):
            while kind:
                session = next(iter(kind.values()))
                if session.idle_since is None or session.idle_since > oldest:
                    break
                kind.popitem(last=False)[1].budget.end()


def _belongs(session: Session, client_id: str, key_id: str | None) -> bool:
    return session.client_id == client_id and session.key_id == key_id
