"""Requests that wait for their turn: their order, and what is known of each."""

from am_node._worker.waiting_line import WaitingLine


def line(*names: bytes | None, together: bool = False) -> WaitingLine:
    waiting = WaitingLine()
    waiting.add([(name, {"x": number}) for number, name in enumerate(names)], together=together)
    return waiting


def test_the_oldest_comes_first_and_is_promised() -> None:
    waiting = line(b"a", b"b")
    assert waiting.take() == (b"a", {"x": 0})
    assert waiting.is_promised(b"a")
    assert not waiting.is_promised(b"b")
    assert b"a" not in waiting
    assert len(waiting) == 1


def test_what_is_put_back_comes_before_all_others() -> None:
    waiting = line(b"a", b"b")
    waiting.take()
    waiting.put_back()
    assert waiting.promised is None
    assert [waiting.take()[0] for _ in range(2)] == [b"a", b"b"]


def test_those_without_an_id_are_kept_apart_and_stay_when_the_named_leave() -> None:
    waiting = line(None, b"a", None, b"b")
    assert waiting.withdraw_named() == [b"a", b"b"]
    assert [waiting.take() for _ in range(2)] == [(None, {"x": 0}), (None, {"x": 2})]
    waiting.put_back()
    assert waiting.take() == (None, {"x": 2})


def test_of_a_batch_each_is_known_to_be_of_one_until_its_answer_leaves() -> None:
    waiting = line(b"a", b"b", together=True)
    waiting.add([(b"c", {})], together=False)
    waiting.take()
    assert waiting.end_in_batch(b"a")
    assert not waiting.end_in_batch(b"a")
    assert not waiting.end_in_batch(b"c")
    waiting.withdraw(b"b")
    assert not waiting.end_in_batch(b"b")


def test_nothing_is_left_of_what_was_cleared() -> None:
    waiting = line(b"a", b"b", together=True)
    waiting.take()
    waiting.clear()
    assert (len(waiting), waiting.promised) == (0, None)
    assert not waiting.end_in_batch(b"a")
