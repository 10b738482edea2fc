"""What all machines wait for: what they answered, and what was queued; oldest first."""

from __future__ import annotations

from am_debugger._derive.pending import MOST_LISTED, pending_everywhere, pending_page
from am_debugger._store.layout import Flag
from am_debugger._store.link import Link
from am_debugger._store.store import Store
from am_telemetry import dbg

from ..exporter import Exporter
from ..messages import process

SECOND = 1_000_000


def asked(store: Store, link: Link, handle: int, *items: dbg.PendingDef, at: int) -> None:
    link.take(dbg.PendingMsg(handle, items), at)


def test_waits_of_all_machines_stand_oldest_first_and_lead_to_them() -> None:
    store = Store()
    link = Link(store, process())
    one, other = Exporter(link, "one", 1), Exporter(link, "other", 2)
    asked(store, link, 1, dbg.PendingDef("wait", "main", ("Ready",), 2 * SECOND), at=10 * SECOND)
    asked(
        store, link, 2,
        dbg.PendingDef("task", "", ("Work",), 9 * SECOND), dbg.PendingDef("context", "", (), None),
        at=11 * SECOND,
    )  # fmt: skip
    found = pending_everywhere(store, 12 * SECOND)
    assert [(w.client.id, w.age, w.text) for w in found.waiting] == [
        ("other", 10 * SECOND, "task Work"),
        ("one", 4 * SECOND, "wait Ready (main)"),
        ("other", None, "context"),
    ]
    page = pending_page(found)
    assert page[1].text == "   4.000 s  one  wait Ready (main)"
    assert (page[1].jump, page[1].about) == ((one.client, None), "Ready")
    assert page[2].text.strip().startswith("?  other")
    assert page[-1].text == "2 of 2 connected machines have answered"
    assert other.client.pending is not None


def test_of_machines_that_do_not_answer_the_queue_is_known() -> None:
    store = Store()
    link = Link(store, process())
    exporter = Exporter(link, "w1")
    queued, more = Flag.ACCEPTED | Flag.QUEUED, {"queue_len": 1}
    exporter.do([2], {}, flags=queued, number=7, time=1 * SECOND, queue_tick=2, **more)
    exporter.do([3], {}, flags=queued, number=8, time=2 * SECOND, queue_tick=3, **more)
    exporter.do([2], {2: 1}, number=7, time=4 * SECOND, queue_tick=2)
    found = pending_everywhere(store, 99 * SECOND)
    assert [(w.age, w.text, w.number) for w in found.waiting] == [
        (2 * SECOND, "mutation add Done", 2)
    ]
    (line, last) = pending_page(found)
    assert line.jump == (exporter.client, 2)
    assert last.text == "0 of 1 connected machines have answered"
    link.close()
    page = pending_page(pending_everywhere(store, 99 * SECOND))
    assert "(not connected, as of " in page[0].text
    assert page[-1].text == "no machine is connected: of others only queues are known"


def test_what_a_machine_answered_before_it_left_is_not_what_it_waits_for_now() -> None:
    store = Store()
    link = Link(store, process())
    Exporter(link, "w1")
    asked(store, link, 1, dbg.PendingDef("wait", "", ("Ready",), 1), at=1)
    link.close()
    assert pending_everywhere(store, 2).waiting == []
    assert pending_page(pending_everywhere(store, 2))[0].text == "nothing that is known"


def test_a_page_is_bounded() -> None:
    store = Store()
    link = Link(store, process())
    Exporter(link, "w1")
    items = [dbg.PendingDef("wait", "", ("Ready",), k) for k in range(MOST_LISTED + 5)]
    asked(store, link, 1, *items, at=1)
    page = pending_page(pending_everywhere(store, 2))
    assert len(page) == MOST_LISTED + 2
    assert page[-2].text == "… and 5 more"
