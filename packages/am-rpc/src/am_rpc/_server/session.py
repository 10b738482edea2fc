"""What a server remembers of a client's life across reconnects, as a pure data structure.

A mutation is identified by its sequence number within a session. One that was seen before is not
executed again: its stored outcome, or the one still on its way, is the answer. Time comes in as a
number of seconds, so that tests need no clock.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._options import Limits
    from .._wire.payload_chunks import Undelivered


class Outcome:
    """How one mutation ended, or who wants to know when it does."""

    __slots__ = ("executed", "refusal", "waiting")

    def __init__(
        self, executed: bool | None = None, refusal: tuple[int, str] | None = None
    ) -> None:
        self.executed = executed
        self.refusal = refusal
        self.waiting: list[Callable[[Outcome], None]] | None = None

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
    knows nothing of the session, so there is nothing that it could resume.
    """

    __slots__ = (
        "_outcomes", "accepted", "client_id", "idle_since", "key_id", "last", "next_call", "nonce",
        "owner", "undelivered",
    )  # fmt: skip

    def __init__(
        self,
        nonce: bytes,
        client_id: str,
        key_id: str | None,
        limit: int,
        undelivered: Undelivered,
    ) -> None:
        self.nonce = nonce
        self.client_id = client_id
        self.key_id = key_id
        self.undelivered = undelivered
        self.last = 0
        self.next_call = 0
        self.idle_since: float | None = None
        self.owner: Any = None
        self.accepted = False
        # Numbers only grow, so the order of outcomes is that of their numbers.
        self._outcomes: deque[tuple[int, Outcome]] = deque(maxlen=limit)

    def begin(self, seq: int) -> bool:
        """Tell whether a mutation is new, and count it as executed from now on."""
        if seq <= self.last:
            return False
        self.last = seq
        return True

    def remember(self, seq: int, outcome: Outcome) -> None:
        """Keep the outcome of the mutation that began last; the oldest makes room."""
        self._outcomes.append((seq, outcome))

    def find(self, seq: int) -> Outcome | None:
        """Return the stored outcome of a repeat, or None if there is none or it was forgotten."""
        for known, outcome in reversed(self._outcomes):
            if known <= seq:
                return outcome if known == seq else None
        return None


class SessionStore:
    """All sessions of a listener, bounded in number and in age."""

    def __init__(self, limits: Limits, new_queue: Callable[[], Undelivered]) -> None:
        self._limits = limits
        self._new_queue = new_queue
        self._sessions: OrderedDict[bytes, Session] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    def resume(
        self, nonce: bytes, client_id: str, key_id: str | None, now: float
    ) -> Session | None:
        """Return a session that lives and belongs to this client and key, else None."""
        self.expire(now)
        session = self._sessions.get(nonce)
        if session is None or session.client_id != client_id or session.key_id != key_id:
            return None
        return session

    def open(self, nonce: bytes, client_id: str, key_id: str | None, now: float) -> Session:
        """Return a new session; the oldest idle ones make room for it.

        A nonce that belongs to somebody else stays theirs: the newcomer gets a session that
        nobody can resume.
        """
        self.expire(now)
        session = Session(nonce, client_id, key_id, self._limits.outcomes, self._new_queue())
        taken = self._sessions.get(nonce)
        if taken is None:
            self._make_room()
            self._sessions[nonce] = session
        return session

    def _make_room(self) -> None:
        while len(self._sessions) >= self._limits.sessions:
            idle = next((s for s in self._sessions.values() if s.idle_since is not None), None)
            oldest = idle or next(iter(self._sessions.values()))
            del self._sessions[oldest.nonce]

    def of_client(self, client_id: str) -> Session | None:
        """Return the newest session of a client that is away, if there is one."""
        for session in reversed(self._sessions.values()):
            if session.client_id == client_id and session.owner is None:
                return session
        return None

    def attach(self, session: Session, owner: Any) -> Any:
        """Give the session to a connection; return the one that it replaces, or None."""
        replaced, session.owner = session.owner, owner
        session.idle_since = None
        return None if replaced is owner else replaced

    def detach(self, session: Session, owner: Any, now: float) -> None:
        """Note that a connection is gone; its session lives on for a while."""
        if session.owner is not owner:
            return
        session.owner = None
        session.idle_since = now
        if self._sessions.get(session.nonce) is session:
            self._sessions.move_to_end(session.nonce)

    def expire(self, now: float) -> None:
        """Drop sessions that were idle for too long. Idle ones are kept in order of age."""
        oldest = now - self._limits.session_ttl
        gone = []
        for nonce, session in self._sessions.items():
            if session.idle_since is None:
                continue
            if session.idle_since > oldest:
                break
            gone.append(nonce)
        for nonce in gone:
            del self._sessions[nonce]
