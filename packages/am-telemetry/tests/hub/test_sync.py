"""Waiting until all was told."""

import time

import am_machine as am
from am_telemetry._hub import Batch, Consumer, Hub, MachineLink


class Slow(Consumer):
    """Takes so long that the hub reads one item at a time."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def entries(self, batch: Batch) -> None:
        end = time.thread_time() + 0.005
        while time.thread_time() < end:
            pass
        self.told += [link.id for link, entries in batch for _ in entries]


def test_all_is_told_after_a_sync_however_slow_a_consumer_is() -> None:
    hub, slow = Hub(), Slow()
    machines = [am.Machine({"A": {}}, id=f"m{i}") for i in range(10)]
    try:
        for i, m in enumerate(machines):
            hub.attach(slow, m)
            m.add("A")
            assert hub.sync(5)
            assert slow.told == [f"m{j}" for j in range(i + 1)]
    finally:
        hub.close(slow)


def test_who_waits_while_the_thread_ends_is_answered_by_the_next_one() -> None:
    hub, slow = Hub(), Slow()
    for i in range(30):
        m = am.Machine({"A": {}}, id=f"m{i}")
        handle = hub.attach(slow, m)
        m.add("A")
        assert hub.sync(5)
        assert slow.told[-1] == f"m{i}"
        handle.detach()
        # About as long as the thread lingers.
        until = time.monotonic() + 0.245 + i * 0.0005
        while time.monotonic() < until and hub._thread is not None:
            time.sleep(0.0005)
    hub.close(slow)


def test_a_machine_that_never_moved_is_told_as_gone_after_a_sync() -> None:
    class Goes(Consumer):
        def __init__(self) -> None:
            self.gone_ids: list[str] = []

        def gone(self, link: MachineLink, at: int) -> None:
            self.gone_ids.append(link.id)

    hub, goes = Hub(), Goes()
    other = am.Machine({"A": {}})
    hub.attach(goes, other)
    for i in range(20):
        m = am.Machine({"A": {}}, id=f"m{i}")
        hub.attach(goes, m)
        m.dispose()
        assert hub.sync(5)
        assert goes.gone_ids[-1:] == [f"m{i}"]
    hub.close(goes)


def test_a_sync_that_took_too_long_says_so() -> None:
    hub, slow = Hub(), Slow()
    m = am.Machine({"A": {}})
    hub.attach(slow, m)
    for _ in range(40):
        m.toggle("A")
    assert not hub.sync(0.02)
    assert hub.sync(30)
    assert len(slow.told) == 40
    hub.close(slow)
