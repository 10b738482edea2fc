"""Requests on their way to one worker: what travels together, and what is tried again."""

from typing import TYPE_CHECKING, Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

import am_machine as am
import am_node
import am_rpc
from am_node._client.dispatcher import Dispatcher
from am_node._client.request import Request

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.trio


class Net:
    """Stands for the replica of a worker; a test decides on each mutation and on its states."""

    schema = frozenset({"Ready", "Idle", "LeaseEnding", "Draining"})

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.removed: list[tuple[str, Any]] = []
        self.results: list[am_rpc.NetResult] = []
        self.too_many = 1000
        self.active: set[str] = set()
        self.idle = am.Machine({"Idle": {}}, id="idle")

    def add(self, state: str, **args: Any) -> am.Result:
        items = args.get("batch", [args])
        if len(items) > self.too_many or any(isinstance(v, set) for _, a in self._pairs(items)
                                             for v in a.values()):  # fmt: skip
            raise TypeError("cannot travel")
        self.asked.append((state, args))
        self.results.append(am_rpc.NetResult())
        return self.results[-1]

    @staticmethod
    def _pairs(items: Any) -> list[tuple[Any, dict[str, Any]]]:
        return [item if isinstance(item, list) else (None, item) for item in items]

    def remove(self, state: str, **args: Any) -> am.Result:
        self.removed.append((state, args["req"]))
        return am.EXECUTED

    def is_(self, *states: str) -> bool:
        return self.active.issuperset(states)

    def any_(self, *states: str) -> bool:
        return not self.active.isdisjoint(states)

    def when_next_active(self, state: str) -> am.Wait:
        return self.idle.when_next_active("Idle")

    def settle(self, outcome: am.Result, error: BaseException | None = None) -> None:
        """Answer the oldest mutation that has no outcome."""
        next(result for result in self.results if not result.settled).settle(outcome, error)

    @property
    def batches(self) -> list[list[int]]:
        """What traveled, by the arg `x`."""
        return [[a["x"] for _, a in self._pairs(args.get("batch", [args]))]
                for _, args in self.asked]  # fmt: skip


class Case:
    def __init__(self, nursery: trio.Nursery, depth: int) -> None:
        self.net = Net()
        self.done: list[Request] = []
        self.again: list[Request] = []
        net: Any = self.net
        fork: Callable[..., Any] = nursery.start_soon
        self.box = Dispatcher(net, "w", depth, fork, self.again.append)

    def give(self, *numbers: Any, **options: Any) -> list[Request]:
        args = [x if isinstance(x, dict) else {"x": x} for x in numbers]
        retry_on = frozenset(options.get("retry_on", ()))
        given = [Request(a, 3, retry_on, self.done.append, None) for a in args]
        for request in given:
            self.box.give(request)
        self.box.flush()
        return given

    def answer(self, *requests: Request, **answer: Any) -> None:
        answers = [{"req": r.req, **(answer or {"data": r.args["x"]})} for r in requests]
        self.box.answered({"batch": answers} if len(answers) > 1 else answers[0])


@pytest.fixture
async def case(nursery: trio.Nursery) -> Case:
    return Case(nursery, 8)


@pytest.fixture
async def single(nursery: trio.Nursery) -> Case:
    return Case(nursery, 1)


async def test_what_collects_while_a_call_is_under_way_travels_together(case: Case) -> None:
    case.give(1)
    case.give(2)
    case.give(3, 4)
    assert case.net.batches == [[1]]
    case.net.settle(am.EXECUTED)
    assert case.net.batches == [[1], [2, 3, 4]]
    assert {state for state, _ in case.net.asked} == {"WorkQueued"}


async def test_a_worker_without_a_queue_is_asked_for_one(single: Case) -> None:
    (request,) = single.give(1)
    assert single.net.asked == [("WorkRequested", {"req": request.req, "x": 1})]
    single.net.settle(am.EXECUTED)
    single.answer(request)
    assert single.done == [request]
    assert request.result == 1


async def test_an_answer_counts_once_and_may_come_before_the_outcome(case: Case) -> None:
    first, second = case.give(1, 2)
    case.answer(first, second)
    case.answer(first, second)
    case.box.answered({"req": b"unknown", "data": 1})
    case.box.answered("nonsense")
    case.box.answered({"batch": [1, {"req": 5}]})
    assert case.done == [first, second]
    case.net.settle(am.CANCELED)
    assert case.net.batches == [[1, 2]]
    assert len(case.box) == 0


async def test_a_refused_batch_is_tried_in_halves(case: Case) -> None:
    given = case.give(1, 2, 3, 4)
    case.net.settle(am.CANCELED)
    assert case.net.batches == [[1, 2, 3, 4], [1, 2]]
    case.net.settle(am.EXECUTED)
    assert case.net.batches[2:] == [[3, 4]]
    assert [request.tried for request in given] == [1, 1, 1, 1]


async def test_a_busy_worker_is_asked_again_after_a_pause_or_when_it_is_idle(
    case: Case, autojump_clock: Any
) -> None:
    (request,) = case.give(1)
    case.net.settle(am.CANCELED)
    assert case.net.batches == [[1]]
    assert request.tried == 0
    await trio.sleep(0.3)
    assert case.net.batches == [[1], [1]]
    case.net.settle(am.CANCELED)
    began = trio.current_time()
    await wait_all_tasks_blocked()
    case.net.idle.add("Idle")
    await wait_all_tasks_blocked()
    assert case.net.batches == [[1], [1], [1]]
    assert trio.current_time() - began < 0.2


async def test_an_outcome_that_nobody_knows_counts_as_an_attempt(
    case: Case, autojump_clock: Any
) -> None:
    given = case.give(1, 2)
    case.net.settle(am.CANCELED, am_rpc.OutcomeUnknown("who knows"))
    assert [request.tried for request in given] == [1, 1]
    await trio.sleep(0.3)
    # The same ids, so that the worker can tell; no second attempt.
    assert case.net.batches == [[1, 2], [1, 2]]
    assert [request.tried for request in given] == [1, 1]


async def test_a_batch_that_is_too_large_travels_in_parts(case: Case) -> None:
    case.net.too_many = 2
    given = case.give(1, 2, 3, 4, 5)
    for _ in range(3):
        case.net.settle(am.EXECUTED)
    assert [len(batch) <= 2 for batch in case.net.batches] == [True] * len(case.net.batches)
    assert [x for batch in case.net.batches for x in batch] == [1, 2, 3, 4, 5]
    case.answer(*given)
    assert [request.result for request in case.done] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("bad", [{"x": {1}}, {"x": 1, "req": 2}, {"x": 1, 3: 4}])
async def test_args_that_cannot_travel_cost_only_their_own_caller(case: Case, bad: Any) -> None:
    given = case.give(1, 2, bad, 4)
    while any(not result.settled for result in case.net.results):
        case.net.settle(am.EXECUTED)
    assert [x for batch in case.net.batches for x in batch] == [1, 2, 4]
    assert case.done == [given[2]]
    assert isinstance(given[2].error, TypeError)


async def test_what_was_not_sent_is_given_up_without_a_word(case: Case) -> None:
    first, second = case.give(1)[0], case.give(2)[0]
    case.box.cancel(second)
    assert case.net.removed == []
    case.box.cancel(first)
    assert case.net.removed == [("WorkQueued", first.req), ("Working", first.req)]
    case.net.settle(am.EXECUTED)
    assert case.net.batches == [[1]]
    assert case.done == []


async def test_one_given_up_in_a_refused_batch_is_not_sent_again(case: Case) -> None:
    given = case.give(1, 2, 3)
    case.box.cancel(given[1])
    case.net.settle(am.CANCELED)
    case.net.settle(am.EXECUTED)
    assert case.net.batches == [[1, 2, 3], [1], [3]]


async def test_without_access_the_callers_get_to_know(case: Case) -> None:
    given = case.give(1, 2)
    case.net.settle(am.CANCELED, am_rpc.NoAccess("no"))
    assert case.done == given
    assert all(isinstance(r.error, am_node.WorkError) for r in given)


async def test_an_idle_worker_that_owes_an_answer_is_asked_again(
    case: Case, autojump_clock: Any
) -> None:
    first, second = case.give(1, 2)
    case.net.settle(am.EXECUTED)
    await trio.sleep(3.5)
    assert case.net.batches == [[1, 2]]
    case.answer(first)
    case.net.active = {"Ready", "Idle"}
    await trio.sleep(1.5)
    assert case.net.batches == [[1, 2], [2]]
    assert second.tried == 1


async def test_an_error_to_retry_gets_a_new_id(case: Case) -> None:
    (request,) = case.give(1, retry_on=["ValueError"])
    before = request.req
    case.net.settle(am.EXECUTED)
    case.answer(request, error={"type": "ValueError", "message": "no"})
    assert case.again == [request]
    assert case.done == []
    assert request.req != before
    case.box.give(request)
    case.box.flush()
    case.answer(request, error={"type": "KeyError", "message": "no"})
    assert case.done == [request]
    assert isinstance(request.error, am_node.WorkError)


async def test_a_lost_worker_gives_back_its_requests_in_order(
    case: Case, autojump_clock: Any
) -> None:
    sent = case.give(1, 2)
    waiting = case.give(3)
    assert case.box.empty() == [*sent, *waiting]
    assert [request.tried for request in (*sent, *waiting)] == [1, 1, 0]
    assert len(case.box) == 0
    case.net.settle(am.CANCELED, am_rpc.NotConnected("gone"))
    await trio.sleep(3)
    assert case.net.batches == [[1, 2]]


async def test_what_a_draining_worker_refuses_goes_to_others_and_was_no_attempt(case: Case) -> None:
    accepted = case.give(1)
    case.net.settle(am.EXECUTED)
    asked, waiting = case.give(2, 3), case.give(4)
    case.net.active = {"Ready", "Draining"}
    case.box.give_back()
    assert case.again == waiting
    case.net.settle(am.CANCELED)
    assert case.again == [*waiting, *asked]
    assert [request.tried for request in (*accepted, *asked, *waiting)] == [1, 0, 0, 0]
    assert len(case.box) == 1
    case.answer(*accepted)
    assert case.done == accepted
    assert case.net.batches == [[1], [2, 3]]
