"""The recorded pool is what it is said to be."""

from __future__ import annotations

from am_debugger._files.dump_reader import read_dump
from am_debugger._store.store import Store

from ..fixtures.record import FIXTURE, LEAST, MOST_BYTES


def test_the_recorded_pool_has_all_machines_and_a_worker_that_was_killed() -> None:
    assert FIXTURE.stat().st_size < MOST_BYTES
    store = Store()
    *_, reading = read_dump(store, FIXTURE)
    assert reading.warnings == []
    assert store.transitions >= LEAST
    kinds = {kind: [c for c in store if c.id.startswith(f"{kind}-")] for kind in ("nc", "ns", "nw")}
    assert len(kinds["nw"]) >= 5  # four, and another for the one that was killed
    assert kinds["nc"]
    assert kinds["ns"]
    assert store.get("demo") is not None
    killed = [c for c in kinds["nw"] if c.gone_at is None]
    assert killed
    for client in store:
        assert client.clock_after(client.last) == list(client.columns.ticks)
