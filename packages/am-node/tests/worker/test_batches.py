"""Requests that travel together, on the worker's side: what is accepted, run, and answered."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

import am_machine as am
import am_node
from am_node._timing import WorkerTiming
from am_node._worker.answer_sender import HOLD
from am_node._worker.work_flow import WorkFlow

pytestmark = pytest.mark.trio


class Gated(am_node.Worker):
    """Each request waits for its turn at the gate; `ran` is what has begun."""

    queue = 3

    def __init__(self) -> None:
        self.ran: list[int] = []
        self.gates: dict[int, trio.Event] = {}

    async def work(self, x: int) -> Any:
        self.ran.append(x)
        if x in self.gates:
            await self.gates[x].wait()
        if x < 0:
            raise ValueError("negative")
        return object() if x == 13 else x


class Link:
    """Stands for the connection to the client: keeps what was sent until it is told to go on."""

    def __init__(self) -> None:
        self.is_up = True
        self.sent: list[tuple[str, Any]] = []
        self.under_way: list[Callable[[Exception | None], None]] = []
        self.is_quick = True
        # Whether the outcome of a request is kept back, and how often it was.
        self.is_withheld = False
        self.withheld = 0

    def post(self, name: str, data: Any, done: Callable[[Exception | None], None]) -> bool:
        if not self.is_up:
            return False
        for answer in data.get("batch", [data]) if isinstance(data, dict) else ():
            if type(answer.get("data")) is object:
                raise TypeError("an object cannot travel")
        self.sent.append((name, data))
        self.release()
        if self.is_quick:
            trio.lowlevel.current_trio_token().run_sync_soon(done, None)
        else:
            self.under_way.append(done)
        return True

    def cork(self) -> Callable[[], None]:
        self.is_withheld = True
        self.withheld += 1
        return self.release

    def release(self) -> None:
        self.is_withheld = False

    def take(self) -> None:
        """The client takes the oldest payload."""
        self.under_way.pop(0)(None)

    @property
    def payloads(self) -> list[list[Any]]:
        """The results of each payload."""
        return [
            [answer.get("data", answer.get("error")) for answer in data.get("batch", [data])]
            for _, data in self.sent
        ]

    @property
    def results(self) -> list[Any]:
        """All results in the order of their arrival."""
        return [result for payload in self.payloads for result in payload]


Opened = tuple[Any, am.Machine, WorkFlow, Link]


@asynccontextmanager
async def opened(cls: type[am_node.Worker] = Gated) -> AsyncIterator[Opened]:
    worker: Any = cls()
    mach = worker.mach = am.Machine(cls.States, id="w")
    link = Link()
    flow = worker._flow = WorkFlow(worker, mach, WorkerTiming({}), link)
    mach.bind(worker)
    mach.bind(flow)
    async with mach:
        mach.add("Start")
        mach.add("LocalRpcReady", "PublicRpcReady", "ClientConnected")
        mach.add("Ready")
        yield worker, mach, flow, link


def req(x: int) -> bytes:
    return b"req%d" % x


def batch(*numbers: int) -> dict[str, Any]:
    return {"batch": [[req(x), {"x": x}] for x in numbers]}


async def test_a_batch_is_run_in_order_and_answered_together(autojump_clock: Any) -> None:
    async with opened() as (worker, mach, _, link):
        assert mach.add("WorkQueued", **batch(1, 2, 3, 4)) is am.EXECUTED
        await wait_all_tasks_blocked()
        assert worker.ran == [1, 2, 3, 4]
        assert link.results == [1, 2, 3, 4]
        assert len(link.payloads) < 4
        assert mach.is_("Idle")
        assert mach.not_("WorkQueued")


async def test_a_batch_beyond_the_room_is_refused_whole(autojump_clock: Any) -> None:
    async with opened() as (worker, mach, flow, link):
        worker.gates = {1: trio.Event()}
        assert mach.add("WorkQueued", **batch(1, 2)) is am.EXECUTED
        await wait_all_tasks_blocked()
        # One runs, one waits: there is room for two more.
        assert mach.add("WorkQueued", **batch(3, 4, 5)) is am.CANCELED
        assert flow.waiting == 1
        assert mach.add("WorkQueued", **batch(3, 4)) is am.EXECUTED
        assert mach.add("WorkQueued", **batch(5)) is am.CANCELED
        worker.gates[1].set()
        await wait_all_tasks_blocked()
        assert link.results == [1, 2, 3, 4]


async def test_a_single_request_is_accepted_and_answered_alone(autojump_clock: Any) -> None:
    async with opened() as (_, mach, _, link):
        assert mach.add("WorkQueued", req=req(1), x=1) is am.EXECUTED
        assert mach.add("WorkQueued", req=req(2), x=2) is am.EXECUTED
        assert mach.add("WorkQueued", **batch(3, 4)) is am.EXECUTED
        await wait_all_tasks_blocked()
        assert link.payloads[:2] == [[1], [2]]
        assert link.sent[0] == ("work", {"req": req(1), "data": 1})
        assert sorted(link.results) == [1, 2, 3, 4]


async def test_a_request_that_comes_again_runs_once(autojump_clock: Any) -> None:
    async with opened() as (worker, mach, flow, link):
        worker.gates = {1: trio.Event()}
        mach.add("WorkQueued", **batch(1, 2, 3))
        await wait_all_tasks_blocked()
        # One of them runs, the others wait: all are known, so there is room for them.
        assert mach.add("WorkQueued", **batch(1, 2, 3)) is am.EXECUTED
        assert mach.add("WorkQueued", req=req(2), x=2) is am.EXECUTED
        assert flow.waiting == 2
        worker.gates[1].set()
        await wait_all_tasks_blocked()
        assert worker.ran == [1, 2, 3]
        assert link.results == [1, 2, 3]
        # Finished ones are answered from memory, new ones beside them are run.
        assert mach.add("WorkQueued", **batch(2, 4)) is am.EXECUTED
        await wait_all_tasks_blocked()
        assert worker.ran == [1, 2, 3, 4]
        assert sorted(link.results) == [1, 2, 2, 3, 4]


async def test_what_becomes_ready_while_a_payload_is_on_its_way_follows_in_one(
    autojump_clock: Any,
) -> None:
    async with opened() as (worker, mach, _, link):
        link.is_quick = False
        worker.gates = {2: trio.Event()}
        mach.add("WorkQueued", **batch(1, 2, 3, 4))
        with trio.move_on_after(0.001):
            await trio.sleep_forever()
        assert link.payloads == [[1]]
        worker.gates[2].set()
        with trio.move_on_after(0.001):
            await trio.sleep_forever()
        assert link.payloads == [[1]]
        link.take()
        assert link.payloads == [[1], [2, 3, 4]]


async def test_a_slow_link_holds_back_nothing_for_long(autojump_clock: Any) -> None:
    async with opened() as (worker, mach, _, link):
        link.is_quick = False
        worker.gates = {2: trio.Event()}
        mach.add("WorkQueued", **batch(1, 2))
        await wait_all_tasks_blocked()
        worker.gates[2].set()
        await trio.sleep(0.1)
        assert link.payloads == [[1], [2]]
        assert mach.is_("WorkReady")
        link.take()
        link.take()
        await wait_all_tasks_blocked()
        assert mach.is_("Idle")


async def test_large_answers_travel_alone(autojump_clock: Any) -> None:
    class Filler(am_node.Worker):
        queue = 3

        async def work(self, x: int) -> bytes:
            return bytes(x)

    async with opened(Filler) as (_, mach, _, link):
        mach.add("WorkQueued", **batch(40_000, 40_001, 10, 20))
        await wait_all_tasks_blocked()
        sizes = [sum(map(len, payload)) for payload in link.payloads]
        assert sum(sizes) == 80_031
        assert max(sizes) < 65_536


async def test_a_result_that_cannot_travel_costs_only_its_own_caller(autojump_clock: Any) -> None:
    async with opened() as (_, mach, _, link):
        mach.add("WorkQueued", **batch(1, 13, -1, 2))
        await wait_all_tasks_blocked()
        first, second, third, fourth = link.results
        assert (first, fourth) == (1, 2)
        assert second["type"] == "TypeError"
        trace = third.pop("trace")
        assert trace.startswith("Traceback")
        assert trace.endswith("ValueError: negative\n")
        assert "work_runner" not in trace
        assert third == {"type": "ValueError", "message": "negative"}
        assert mach.is_("Idle")


async def test_one_is_taken_out_of_the_middle_of_a_batch(autojump_clock: Any) -> None:
    async with opened() as (worker, mach, flow, link):
        worker.gates = {1: trio.Event()}
        mach.add("WorkQueued", **batch(1, 2, 3, 4))
        await wait_all_tasks_blocked()
        # A client does not know whether it runs or waits.
        mach.remove("WorkQueued", req=req(3))
        mach.remove("Working", req=req(3))
        assert flow.waiting == 2
        worker.gates[1].set()
        await wait_all_tasks_blocked()
        assert worker.ran == [1, 2, 4]
        assert link.results == [1, 2, 4]


async def test_cancelling_the_running_one_lets_the_next_begin(autojump_clock: Any) -> None:
    async with opened() as (worker, mach, _, link):
        worker.gates = {1: trio.Event()}
        mach.add("WorkQueued", **batch(1, 2))
        await wait_all_tasks_blocked()
        mach.remove("WorkQueued", req=req(1))
        mach.remove("Working", req=req(1))
        await wait_all_tasks_blocked()
        assert worker.ran == [1, 2]
        assert link.results == [2]
        assert mach.is_("Idle")


async def test_asking_whether_a_refused_one_may_begin_does_not_lose_it(autojump_clock: Any) -> None:
    class Reluctant(Gated):
        refusals = 1

        def WorkRequestedEnter(self, e: am.Event) -> bool:
            self.refusals -= not e.is_check
            return self.refusals < 0

    async with opened(Reluctant) as (worker, mach, _, link):
        mach.add("WorkQueued", **batch(1))
        await wait_all_tasks_blocked()
        assert worker.ran == []
        worker.refusals = -1
        assert mach.can_add("WorkRequested", req=req(1), x=1)
        mach.add("WorkQueued", **batch(2))
        await wait_all_tasks_blocked()
        assert link.results == [1, 2]


async def test_a_whole_batch_can_be_cancelled_at_once(autojump_clock: Any) -> None:
    async with opened() as (worker, mach, flow, link):
        worker.gates = {1: trio.Event()}
        mach.add("WorkQueued", **batch(1, 2, 3, 4))
        await wait_all_tasks_blocked()
        for x in (1, 2, 3, 4):
            mach.remove("WorkQueued", req=req(x))
            mach.remove("Working", req=req(x))
        await wait_all_tasks_blocked()
        assert worker.ran == [1]
        assert link.results == []
        assert flow.waiting == 0
        assert mach.is_("Idle")
        assert mach.not_("WorkQueued")
        assert mach.add("WorkQueued", **batch(5)) is am.EXECUTED
        await wait_all_tasks_blocked()
        assert link.results == [5]


@pytest.mark.parametrize(
    "args",
    [
        {"batch": 1},
        {"batch": [1]},
        {"batch": [[b"r"]]},
        {"batch": [["r", {}]]},
        {"batch": [[b"", {}]]},
        {"batch": [[b"r" * 65, {}]]},
        {"batch": [[b"r", []]]},
        {"batch": [[b"r", {"req": b"s"}]]},
        {"batch": [[b"r", {1: 2}]]},
        {"batch": [[b"r", {"x": 1}]], "x": 1},
        {"req": "text", "x": 1},
    ],
)
async def test_a_malformed_request_is_refused(autojump_clock: Any, args: dict[str, Any]) -> None:
    async with opened() as (worker, mach, _, _):
        assert mach.add("WorkQueued", **args) is am.CANCELED
        assert mach.add("WorkQueued", **batch(1)) is am.EXECUTED
        await wait_all_tasks_blocked()
        assert worker.ran == [1]


async def test_a_work_whose_arg_is_called_batch_is_possible(autojump_clock: Any) -> None:
    class Lister(am_node.Worker):
        queue = 1

        async def work(self, batch: list[int]) -> int:
            return sum(batch)

    async with opened(Lister) as (_, mach, _, link):
        mach.add("WorkQueued", req=req(1), batch=[1, 2])
        mach.add("WorkQueued", batch=[[req(2), {"batch": [3, 4]}]])
        await wait_all_tasks_blocked()
        assert link.results == [3, 7]


async def test_draining_finishes_what_was_accepted_and_takes_nothing_new(
    autojump_clock: Any,
) -> None:
    async with opened() as (worker, mach, _, link):
        worker.gates = {1: trio.Event()}
        mach.add("WorkQueued", **batch(1, 2, 3))
        await wait_all_tasks_blocked()
        mach.add("Draining")
        assert mach.add("WorkQueued", **batch(4)) is am.CANCELED
        assert mach.add("WorkRequested", req=req(5), x=5) is am.CANCELED
        # Known ones are no news.
        assert mach.add("WorkQueued", **batch(2)) is am.EXECUTED
        worker.gates[1].set()
        await wait_all_tasks_blocked()
        assert link.results == [1, 2, 3]
        assert mach.is_("Idle")


async def test_start_can_end_while_requests_wait(autojump_clock: Any) -> None:
    async with opened() as (worker, mach, _, _):
        worker.gates = {1: trio.Event()}
        mach.add("WorkQueued", **batch(1, 2))
        await wait_all_tasks_blocked()
        assert mach.remove("Start") is am.EXECUTED
        assert mach.not_("Start", "Working", "WorkQueued")


async def test_no_more_are_accepted_than_the_class_may_do(autojump_clock: Any) -> None:
    class Mortal(Gated):
        max_tasks = 3

    async with opened(Mortal) as (worker, mach, _, link):
        assert mach.add("WorkQueued", **batch(1, 2, 3, 4)) is am.CANCELED
        assert mach.add("WorkQueued", **batch(1, 2)) is am.EXECUTED
        await wait_all_tasks_blocked()
        assert mach.add("WorkQueued", **batch(3, 4)) is am.CANCELED
        assert mach.add("WorkQueued", **batch(3)) is am.EXECUTED
        await wait_all_tasks_blocked()
        assert link.results == [1, 2, 3]
        assert mach.is_("Draining")
        assert worker.ran == [1, 2, 3]


async def test_a_class_that_refuses_a_request_does_not_lose_it(autojump_clock: Any) -> None:
    class Moody(Gated):
        willing = False

        def WorkRequestedEnter(self, e: am.Event) -> bool:
            return self.willing

    async with opened(Moody) as (worker, mach, _, link):
        mach.add("WorkQueued", **batch(1, 2))
        await wait_all_tasks_blocked()
        assert worker.ran == []
        worker.willing = True
        # Its client asks again, as long as it has no answer.
        assert mach.add("WorkQueued", **batch(1, 2)) is am.EXECUTED
        await wait_all_tasks_blocked()
        assert worker.ran == [1, 2]
        assert link.results == [1, 2]


async def test_answers_wait_for_a_link_that_is_down(autojump_clock: Any) -> None:
    async with opened() as (_, mach, _, link):
        link.is_up = False
        mach.remove("ClientConnected")
        mach.add("WorkQueued", **batch(1, 2, 3))
        await wait_all_tasks_blocked()
        assert link.sent == []
        link.is_up = True
        mach.add("ClientConnected")
        await wait_all_tasks_blocked()
        assert link.results == [1, 2, 3]


async def test_a_new_client_gets_nothing_of_the_one_before_it(autojump_clock: Any) -> None:
    async with opened() as (worker, mach, flow, link):
        link.is_up = False
        mach.remove("ClientConnected")
        worker.gates = {3: trio.Event()}
        mach.add("WorkQueued", **batch(1, 2, 3, 4))
        await wait_all_tasks_blocked()
        flow.drop()
        link.is_up = True
        mach.add("ClientConnected")
        await wait_all_tasks_blocked()
        assert link.sent == []
        assert worker.ran == [1, 2, 3]
        assert mach.is_("Idle")


async def test_a_thread_that_is_left_behind_holds_back_the_queue(autojump_clock: Any) -> None:
    import threading

    class Threaded(am_node.Worker):
        queue = 2
        go_on = threading.Event()
        ran: list[int] = []  # noqa: RUF012 - of the one instance here

        def work(self, x: int) -> int:
            self.ran.append(x)
            if x == 1:
                self.go_on.wait(10)
            return x

    async with opened(Threaded) as (worker, mach, flow, link):
        mach.add("WorkQueued", **batch(1, 2, 3))
        while worker.ran != [1]:
            await trio.to_thread.run_sync(lambda: None)
        mach.remove("Working", req=req(1))
        assert mach.not_("Idle", "Working")
        mach.remove("WorkQueued", req=req(3))
        assert flow.waiting == 1
        Threaded.go_on.set()
        while link.results != [2]:
            await trio.to_thread.run_sync(lambda: None)
        assert worker.ran == [1, 2]


async def test_a_payload_taken_just_when_the_next_is_due_is_no_trouble(autojump_clock: Any) -> None:
    async with opened() as (worker, mach, _, link):
        link.is_quick = False
        worker.gates = {2: trio.Event()}
        mach.add("WorkQueued", **batch(1, 2))
        await wait_all_tasks_blocked()
        worker.gates[2].set()
        # At the same moment as the courier's own deadline, in either order.
        await wait_all_tasks_blocked()
        await trio.sleep(HOLD)
        link.take()
        await wait_all_tasks_blocked()
        while link.under_way:
            link.take()
        await wait_all_tasks_blocked()
        assert link.results == [1, 2]
        assert mach.is_("Idle")


class Quick(am_node.Worker):
    """Ends in the turn in which it begins."""

    async def work(self, x: int) -> int:
        return x


class Threaded(am_node.Worker):
    """Never does."""

    def work(self, x: int) -> int:
        return x


async def test_an_answer_that_is_there_at_once_takes_the_outcome_along() -> None:
    async with opened(Quick) as (_, mach, _, link):
        mach.add("WorkRequested", req=b"1", x=1)
        assert link.is_withheld
        await wait_all_tasks_blocked()
        assert link.results == [1]
        assert (link.withheld, link.is_withheld) == (1, False)


async def test_the_outcome_does_not_wait_for_work_that_waits() -> None:
    async with opened() as (worker, mach, _, link):
        worker.gates[1] = trio.Event()
        mach.add("WorkQueued", **batch(1))
        assert link.is_withheld
        await wait_all_tasks_blocked()
        assert not link.is_withheld
        assert not link.sent
        worker.gates[1].set()
        await wait_all_tasks_blocked()
        assert link.results == [1]


async def test_the_outcome_does_not_wait_for_a_thread_nor_for_a_job_that_is_cancelled() -> None:
    async with opened(Threaded) as (_, mach, _, link):
        mach.add("WorkRequested", req=b"1", x=1)
        assert not link.withheld
    async with opened(Quick) as (_, mach, _, link):
        mach.add("WorkRequested", req=b"1", x=1)
        mach.remove("Working", req=b"1")
        await wait_all_tasks_blocked()
        assert (link.withheld, link.is_withheld) == (1, False)
        assert not link.sent


async def test_the_outcome_does_not_wait_for_an_answer_that_has_to_wait_itself() -> None:
    async with opened() as (_, mach, _, link):
        link.is_quick = False
        mach.add("WorkQueued", **batch(1))
        await wait_all_tasks_blocked()
        assert link.results == [1]
        mach.add("WorkQueued", **batch(2))
        await wait_all_tasks_blocked()
        assert link.results in ([1], [1, 2])
        assert not link.is_withheld


async def test_work_that_waits_is_cancelled_and_closed_like_any_other(
    autojump_clock: Any,
) -> None:
    seen: list[str] = []

    class Stubborn(am_node.Worker):
        async def work(self) -> int:
            try:
                await trio.sleep(1)
                try:
                    await trio.sleep_forever()
                except trio.Cancelled:
                    seen.append("cancelled")
                    raise
            finally:
                seen.append("closed")
            return 0

    async with opened(Stubborn) as (_, mach, _, link):
        mach.add("WorkRequested", req=b"1")
        await trio.sleep(2)
        mach.remove("Working", req=b"1")
        await wait_all_tasks_blocked()
        assert seen == ["cancelled", "closed"]
        assert not link.sent
