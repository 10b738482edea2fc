"""The session store and the outbox, as pure data."""

from __future__ import annotations

import pytest

import am_rpc
from am_rpc._client.outbox import SAID, SILENT, Entry, Outbox
from am_rpc._results import NetResult
from am_rpc._server.session import SETTLED, Outcome, Session, SessionStore

LIMITS = am_rpc.Limits(sessions=3, session_ttl=10, outcomes=2, calls=3, calls_bytes=100)


def store() -> SessionStore:
    return SessionStore(LIMITS)


def test_a_session_belongs_to_its_id_and_key() -> None:
    sessions = store()
    session = sessions.open(b"n", "rc-a", "key", 0)
    assert sessions.resume(b"n", "rc-a", "key", 1) is session
    assert sessions.resume(b"n", "rc-b", "key", 1) is None
    assert sessions.resume(b"n", "rc-a", None, 1) is None
    assert sessions.resume(b"m", "rc-a", "key", 1) is None
    stranger = sessions.open(b"n", "rc-b", None, 1)
    assert stranger is not session
    assert sessions.resume(b"n", "rc-a", "key", 1) is session


def test_a_session_outlives_its_connection_for_a_while() -> None:
    sessions = store()
    session = sessions.open(b"n", "rc-a", None, 0)
    first, second = object(), object()
    assert sessions.attach(session, first) is None
    assert sessions.attach(session, first) is None
    assert sessions.attach(session, second) is first
    sessions.detach(session, first, 5)
    assert session.owner is second
    sessions.expire(1000)
    assert len(sessions) == 1
    sessions.detach(session, second, 1000)
    assert sessions.resume(b"n", "rc-a", None, 1009) is session
    assert sessions.resume(b"n", "rc-a", None, 1011) is None
    assert len(sessions) == 0


def test_the_oldest_idle_session_makes_room() -> None:
    sessions = store()
    opened = [known(sessions, bytes([n])) for n in range(5)]
    for session in opened[1:]:
        sessions.detach(session, session, 1)
    assert len(sessions) == 3
    assert sessions.resume(bytes([1]), "rc-a", None, 2) is None
    assert sessions.resume(bytes([0]), "rc-a", None, 2) is opened[0]
    assert sessions.resume(bytes([4]), "rc-a", None, 2) is opened[4]


def known(sessions: SessionStore, nonce: bytes) -> Session:
    """Attach a session of a client that made a mutation."""
    session = sessions.open(nonce, "rc-a", None, 0)
    sessions.attach(session, session)
    session.accepted = session.begin(1)
    return session


def test_strangers_take_nobody_elses_place() -> None:
    sessions = SessionStore(LIMITS.replace(stranger_sessions=2))
    mine = known(sessions, b"me")
    sessions.detach(mine, mine, 1)
    for number in range(100):
        # Welcomed, but without a proof or a mutation.
        stranger = sessions.open(bytes([number]), "rc-x", None, 2)
        sessions.attach(stranger, stranger)
        stranger.accepted = True
        sessions.detach(stranger, stranger, 2)
    assert len(sessions) == 3
    assert sessions.resume(b"me", "rc-a", None, 3) is mine
    assert sessions.resume(bytes([99]), "rc-x", None, 3) is stranger
    proved = sessions.open(b"key", "rc-a", "key", 3)
    assert proved.is_stranger
    proved.accepted = True
    assert not proved.is_stranger


def test_what_sessions_keep_is_bounded_in_bytes() -> None:
    stats = am_rpc.Stats()
    limits = LIMITS.replace(session_bytes=10_000, store_bytes=15_000)
    sessions = SessionStore(limits, stats)
    mine, other = known(sessions, b"me"), known(sessions, b"it")
    mine.budget.take(9_000, "something")
    with pytest.raises(am_rpc.LimitExceeded, match="session_bytes"):
        mine.budget.take(1_001, "something")
    with pytest.raises(am_rpc.LimitExceeded, match="store_bytes"):
        other.budget.take(6_001, "something")
    assert (stats.kept_bytes, stats.limits_met) == (9_000, 2)
    # Idle sessions make room.
    sessions.detach(mine, mine, 1)
    other.budget.take(9_000, "something")
    assert sessions.resume(b"me", "rc-a", None, 2) is None
    assert stats.kept_bytes == 9_000
    mine.budget.give(9_000)
    assert stats.kept_bytes == 9_000, "what is gone counts for nobody"
    # One larger value is let in if it is alone.
    other.budget.give(9_000)
    other.budget.take(14_000, "something large")


def test_refusals_are_kept_as_far_as_there_is_room() -> None:
    session = known(store(), b"me")
    session.refuse(2, 5, "x" * 60_000)
    outcome = session.find(2)
    assert outcome is not None
    assert outcome.refusal == (5, "x" * 1024)
    assert 1_000 < session.budget.used < 2_000
    for seq in (3, 4):
        session.refuse(seq, 5, "y")
    assert session.budget.used < 1_000, "what is forgotten is given back"
    full = SessionStore(LIMITS.replace(session_bytes=1)).open(b"n", "rc-a", None, 0)
    full.budget.take(1, "something")
    full.refuse(1, 5, "text")
    assert full.find(1).refusal == (5, "")  # type: ignore[union-attr]


def test_a_repeat_finds_its_outcome_until_it_is_forgotten() -> None:
    session = store().open(b"n", "rc-a", None, 0)
    assert session.begin(5)
    first = Outcome()
    session.remember(5, first)
    assert not first.settled
    assert not session.begin(5)
    assert session.find(5) is first
    told: list[Outcome] = []
    first.when_settled(told.append)
    first.when_settled(told.append)
    first.settle(executed=True)
    assert told == [first, first]
    assert first.settled
    assert session.begin(6)
    assert not session.begin(6)
    assert session.find(6) is None
    assert session.begin(7)
    refused = Outcome(refusal=(6, "state 9"))
    session.remember(7, refused)
    assert refused.settled
    assert session.find(7) is refused
    assert session.find(5) is first
    assert session.begin(8)
    session.remember(8, SETTLED[True])
    assert session.find(5) is None
    assert session.find(8) is SETTLED[True]
    assert session.last == 8


def entry(seq: int, *, one_way: bool = False, size: int = 10) -> Entry:
    return Entry(seq, "a", (0,), {}, b"x" * size, None if one_way else NetResult(), 0.0)


def test_the_outbox_is_bounded_by_number_and_bytes() -> None:
    outbox = Outbox(LIMITS)
    assert outbox.last == 0
    outbox.push(entry(1, size=60))
    assert not outbox.has_room(60)
    assert outbox.has_room(40)
    outbox.push(entry(2))
    outbox.push(entry(3, one_way=True))
    assert not outbox.has_room()
    assert outbox.last == 3
    assert outbox.pop(1) is not None
    assert outbox.pop(1) is None
    assert outbox.has_room(60)
    assert [e.seq for e in outbox.clear()] == [2, 3]
    assert len(outbox) == 0


def test_a_response_acknowledges_one_way_calls_before_it() -> None:
    outbox = Outbox(am_rpc.Limits())
    outbox.acknowledge(10)
    for seq in (1, 2, 4):
        outbox.push(entry(seq, one_way=True))
    outbox.push(entry(3))
    # What was not written yet is meant to come later.
    outbox.acknowledge(3)
    assert [e.seq for e in outbox] == [1, 2, 4, 3]
    outbox.take_fresh()
    outbox.acknowledge(3)
    assert [e.seq for e in outbox] == [4, 3]
    assert outbox.one_way == 1


def test_a_resume_sends_everything_unsettled_again_in_order() -> None:
    outbox = Outbox(am_rpc.Limits())
    for seq in (1, 2, 3, 4):
        outbox.push(entry(seq, one_way=seq % 2 == 1))
    assert outbox.has_fresh
    assert [e.seq for e in outbox.take_fresh()] == [1, 2, 3, 4]
    assert not outbox.has_fresh
    outbox.resume(3)
    assert [e.seq for e in outbox.take_fresh()] == [2, 4]


def test_a_lost_session_loses_what_was_written_only() -> None:
    outbox = Outbox(am_rpc.Limits())
    outbox.push(entry(1))
    for written in outbox.take_fresh():
        written.written = True
    outbox.push(entry(2))
    assert [e.seq for e in outbox.forget_written()] == [1]
    assert [e.seq for e in outbox.take_fresh()] == [2]
    assert outbox.get(2) is not None


@pytest.mark.parametrize(("blame", "times"), [(SAID, 2), (SILENT, 10)])
def test_the_first_that_was_not_executed_is_sent_alone_until_it_is_given_up(
    blame: int, times: int
) -> None:
    outbox = Outbox(am_rpc.Limits())
    for seq in (1, 2, 3):
        outbox.push(entry(seq))
    assert [e.seq for e in outbox.take_fresh()] == [1, 2, 3]
    # The first one was executed, so the second may be why, but it was not alone.
    assert outbox.resume(1, blame) is None
    for _ in range(times - 1):
        assert [e.seq for e in outbox.take_fresh()] == [1, 2]
        assert not outbox.has_fresh
        assert outbox.resume(1, blame) is None
    outbox.take_fresh()
    given_up = outbox.resume(1, blame)
    assert given_up is not None
    assert given_up.seq == 2
    assert [e.seq for e in outbox.take_fresh()] == [1, 3]


def test_one_that_was_read_alone_lets_the_others_pass() -> None:
    outbox = Outbox(am_rpc.Limits())
    for seq in (1, 2):
        outbox.push(entry(seq))
    outbox.take_fresh()
    assert outbox.resume(0, SAID) is None
    assert [e.seq for e in outbox.take_fresh()] == [1]
    outbox.push(entry(3))
    assert not outbox.has_fresh
    outbox.passed()
    assert [e.seq for e in outbox.take_fresh()] == [2, 3]
    # An end for another reason accuses nobody.
    assert outbox.resume(0) is None
    assert [e.seq for e in outbox.take_fresh()] == [1, 2, 3]
