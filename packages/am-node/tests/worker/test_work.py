"""One request through client, supervisor and worker, all in this process."""

import threading
from typing import Any

import pytest
import trio

import am_machine as am
import am_node

pytestmark = pytest.mark.trio


class Squarer(am_node.Worker):
    def WorkRequestedState(self, e: am.Event) -> None:
        self.reply(e, e.args["input"] ** 2)


class Adder(am_node.Worker):
    async def work(self, a: int, b: int = 1) -> int:
        return a + b


class Threaded(am_node.Worker):
    def work(self) -> bool:
        return threading.current_thread() is threading.main_thread()


class Inline(Threaded):
    thread = False


class Failer(am_node.Worker):
    async def work(self, kind: str) -> None:
        raise {"value": ValueError, "key": KeyError}[kind]("no luck")


class Sleeper(am_node.Worker):
    async def work(self, seconds: float) -> str:
        await trio.sleep(seconds)
        return "slept"


class Patient(Sleeper):
    work_timeout = 2.0


async def test_a_worker_with_full_control_replies(pooled: Any, clock: trio.abc.Clock) -> None:
    async with pooled(Squarer) as sup, am_node.Client("c", Squarer, supers=[sup.addr]) as client:
        assert await client.work(input=12) == 144


async def test_a_method_called_work_is_enough(pooled: Any, clock: trio.abc.Clock) -> None:
    async with pooled(Adder) as sup, am_node.Client("c", Adder, supers=[sup.addr]) as client:
        assert await client.work(a=2, b=3) == 5
        assert await client.work(a=2) == 3


async def test_a_client_needs_no_schema(pooled: Any, clock: trio.abc.Clock) -> None:
    async with pooled(Adder) as sup, am_node.Client("c", supers=[sup.addr]) as client:
        assert await client.work(a=2) == 3


async def test_synchronous_work_runs_in_a_thread_unless_told_otherwise(pooled: Any) -> None:
    async with pooled(Threaded) as sup, am_node.Client("c", Threaded, supers=[sup.addr]) as client:
        assert await client.work() is False
    async with pooled(Inline) as sup, am_node.Client("c", Inline, supers=[sup.addr]) as client:
        assert await client.work() is True


@pytest.mark.parametrize("kind", ["value", "key"])
async def test_what_work_raises_is_raised_at_the_caller_and_not_retried(
    pooled: Any, clock: trio.abc.Clock, kind: str
) -> None:
    async with pooled(Failer) as sup, am_node.Client("c", Failer, supers=[sup.addr]) as client:
        with pytest.raises(am_node.WorkError) as caught:
            await client.work(kind=kind)
        assert caught.value.type_name == {"value": "ValueError", "key": "KeyError"}[kind]
        assert "no luck" in caught.value.message
        await trio.sleep(1)
        (info,) = await sup.workers()
        assert info.errors == 0
        assert info.tasks == 1


async def test_named_errors_are_retried_as_often_as_allowed(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    async with pooled(Failer) as sup, am_node.Client("c", Failer, supers=[sup.addr]) as client:
        with pytest.raises(am_node.WorkError):
            await client.work(kind="value", retry_on={"ValueError"}, attempts=2)
        await trio.sleep(1)
        (info,) = await sup.workers()
        assert info.tasks == 2


@pytest.mark.parametrize("args", [{}, {"a": 1, "c": 2}])
async def test_args_that_do_not_fit_are_an_error_of_the_caller(
    pooled: Any, clock: trio.abc.Clock, args: dict[str, int]
) -> None:
    async with pooled(Adder) as sup, am_node.Client("c", Adder, supers=[sup.addr]) as client:
        with pytest.raises(am_node.WorkError, match="TypeError"):
            await client.work(**args)


async def test_a_handler_that_raises_is_answered_too(pooled: Any, clock: trio.abc.Clock) -> None:
    async with pooled(Squarer) as sup, am_node.Client("c", Squarer, supers=[sup.addr]) as client:
        with pytest.raises(am_node.WorkError, match="TypeError"):
            await client.work(input="text")
        assert await client.work(input=3) == 9


async def test_a_result_that_cannot_travel_is_an_error(pooled: Any, clock: trio.abc.Clock) -> None:
    class Opaque(am_node.Worker):
        async def work(self) -> object:
            return object()

    async with pooled(Opaque) as sup, am_node.Client("c", Opaque, supers=[sup.addr]) as client:
        with pytest.raises(am_node.WorkError):
            await client.work()


async def test_args_that_cannot_travel_raise_at_once(pooled: Any, clock: trio.abc.Clock) -> None:
    async with pooled(Adder) as sup, am_node.Client("c", Adder, supers=[sup.addr]) as client:
        with pytest.raises(TypeError):
            await client.work(a=object())


async def test_work_beyond_its_time_is_cancelled_and_told(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    async with pooled(Patient) as sup, am_node.Client("c", Patient, supers=[sup.addr]) as client:
        assert await client.work(seconds=1) == "slept"
        with pytest.raises(am_node.WorkError, match="WorkTimeout"):
            await client.work(seconds=5)
        assert await client.work(seconds=1) == "slept"


async def test_a_caller_that_waits_no_longer_gets_a_time_out(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    async with pooled(Sleeper) as sup, am_node.Client("c", Sleeper, supers=[sup.addr]) as client:
        started = trio.current_time()
        with pytest.raises(am_node.WorkTimeout):
            await client.work(seconds=100, timeout=3)
        assert trio.current_time() - started == pytest.approx(3, abs=0.5)


async def test_cancelling_the_call_cancels_the_work(pooled: Any, clock: trio.abc.Clock) -> None:
    async with pooled(Sleeper) as sup, am_node.Client("c", Sleeper, supers=[sup.addr]) as client:
        with trio.move_on_after(2):
            await client.work(seconds=1000)
        await trio.sleep(1)
        (host,) = sup.launcher.hosts.values()
        assert host.mach.is_("Idle")
        assert await client.work(seconds=1) == "slept"


async def test_calls_of_one_client_wait_for_its_one_worker(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    async with pooled(Sleeper) as sup, am_node.Client("c", Sleeper, supers=[sup.addr]) as client:
        started = trio.current_time()
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(lambda: client.work(seconds=2))
        assert trio.current_time() - started >= 6
        assert len(client.workers) == 1


async def test_states_and_payloads_of_ones_own_tell_of_progress(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    class ProgressStates(am_node.WorkerStates):
        HalfDone = am.State()

    class Reporter(am_node.Worker):
        States = ProgressStates

        async def work(self) -> str:
            self.mach.add("HalfDone")
            self.send("progress", {"percent": 50})
            return "done"

    class Listener(am_node.Client):
        seen: Any = None

        def ServerPayloadState(self, e: am.Event) -> None:
            if e.args["name"] == "progress":
                self.seen = e.args["data"]

    async with pooled(Reporter) as sup, Listener("c", Reporter, supers=[sup.addr]) as client:
        assert await client.work() == "done"
        assert client.seen == {"percent": 50}
        (host,) = sup.launcher.hosts.values()
        assert host.mach.is_("HalfDone")


async def test_the_answers_name_cannot_be_used_for_a_payload() -> None:
    with pytest.raises(ValueError, match="reply"):
        Adder().send("work", 1)


async def test_without_a_supervisor_the_caller_gets_to_know(clock: trio.abc.Clock) -> None:
    async with am_node.Client("c", Adder, supers=["unix:/nowhere/at/all"]) as client:
        with pytest.raises(am_node.SupervisorLost):
            await client.work(a=1, timeout=8)


async def test_without_a_free_worker_the_caller_gets_to_know(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    async with (
        pooled(Adder, 1, 1) as sup,
        am_node.Client("first", Adder, supers=[sup.addr], keep=True) as first,
        am_node.Client("second", Adder, supers=[sup.addr]) as second,
    ):
        assert await first.work(a=1) == 2
        with pytest.raises(am_node.NoWorkers):
            await second.work(a=1, timeout=8)


async def test_a_lost_worker_costs_an_attempt_and_not_the_result(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    results: list[str] = []
    async with (
        pooled(Sleeper, 2, 4) as sup,
        am_node.Client("c", Sleeper, supers=[sup.addr]) as client,
    ):

        async def call() -> None:
            results.append(await client.work(seconds=3))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(call)
            await trio.sleep(1)
            (victim,) = client.workers
            sup.mach.add("KillWorker", id=victim, reason="test")
        assert results == ["slept"]
        assert victim not in client.workers


async def test_work_that_must_not_run_twice_is_lost_with_its_worker(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    async with (
        pooled(Sleeper, 2, 4) as sup,
        am_node.Client("c", Sleeper, supers=[sup.addr]) as client,
    ):

        async def kill() -> None:
            await trio.sleep(1)
            for victim in client.workers:
                sup.mach.add("KillWorker", id=victim, reason="test")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(kill)
            with pytest.raises(am_node.WorkerLost):
                await client.work(seconds=50, attempts=1)


async def test_a_worker_is_replaced_after_the_tasks_it_may_do(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    class Mortal(Adder):
        max_tasks = 2

    async with pooled(Mortal, 1, 2) as sup:
        async with am_node.Client("c", Mortal, supers=[sup.addr]) as client:
            used = set()
            for n in range(5):
                assert await client.work(a=n) == n + 1
                used.update(client.workers)
                await trio.sleep(1)
        assert len(used) == 3
        assert sup.restarts == 0


class Scaler(am_node.Worker):
    async def work(self, input: int) -> int:
        return input * int(self.options["factor"])


async def test_options_of_the_supervisor_are_there_in_each_worker(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    async with (
        pooled(Scaler, options={"factor": 10}) as sup,
        am_node.Client("c", Scaler, supers=[sup.addr]) as client,
    ):
        assert await client.work(input=4) == 40


async def test_without_options_a_worker_has_none_and_cannot_add_any(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    class Adding(am_node.Worker):
        async def work(self) -> int:
            self.options["more"] = 1  # type: ignore[index]
            return len(self.options)

    async with pooled(Adding) as sup, am_node.Client("c", Adding, supers=[sup.addr]) as client:
        with pytest.raises(am_node.WorkError) as told:
            await client.work()
        assert told.value.type_name == "TypeError"
