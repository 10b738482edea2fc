"""Acceptance 8 and 9, mirrors and health checks. All times are on a virtual clock."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
import trio
import trio.testing

import am_helpers as amh
import am_machine as am

pytestmark = pytest.mark.trio

SCHEMA: dict[str, Any] = {
    "Foo": {},
    "Many": {"multi": True},
    "Needs": {"require": ["Foo"]},
    "Kin": {"remove": ["Foo"]},
    "Alien": {"multi": True},
}


class TestAcceptance08StateLoop:
    async def test_501_ticks_in_a_second_end_it(self, machine: Any, mock_clock: Any) -> None:
        mach = machine(SCHEMA)
        mach.add("Foo")
        loop = amh.StateLoop(mach, "Foo")
        for _ in range(250):
            mach.add("Needs")
            mach.remove("Needs")
        assert loop.ticks == 500
        assert loop.ok()
        mach.add("Needs")
        assert not loop.ok()
        assert loop.ended
        assert isinstance(mach.err, amh.LoopError)

    async def test_400_ticks_per_second_run_on(self, machine: Any, mock_clock: Any) -> None:
        mach = machine(SCHEMA)
        mach.add("Foo")
        loop = amh.StateLoop(mach, "Foo")
        for _ in range(10):
            for _ in range(200):
                mach.add("Needs")
                mach.remove("Needs")
                assert loop.ok()
            mock_clock.jump(1.0)
        assert loop.ticks == 4000
        assert not mach.is_err

    async def test_only_related_states_count(self, machine: Any) -> None:
        mach = machine(SCHEMA)
        mach.add("Foo")
        loop = amh.StateLoop(mach, "Foo", threshold=10)
        for _ in range(20):
            mach.add("Alien")
            assert loop.ok()
        assert loop.ticks == 0

    async def test_the_end_is_for_good(self, machine: Any) -> None:
        mach = machine(SCHEMA)
        mach.add("Foo")
        broken, checked = (
            amh.StateLoop(mach, "Foo"),
            amh.StateLoop(mach, "Foo", check=lambda: False),
        )
        broken.break_()
        assert not broken.ok()
        assert not checked.ok()
        assert checked.ended
        assert not mach.is_err
        left = amh.StateLoop(mach, "Foo")
        mach.remove("Foo")
        assert not left.ok()
        assert isinstance(mach.err, amh.LoopError)
        mach.add("Foo")
        assert not left.ok()


async def test_a_state_loop_works_without_an_event_loop(machine: Any) -> None:
    mach = machine(SCHEMA)
    mach.add("Foo")
    loop = amh.StateLoop(mach, "Foo")
    assert loop.ok()


class TestAcceptance09TaskPool:
    async def test_never_more_than_three_at_once(self, autojump_clock: Any) -> None:
        most = running = 0

        async def work() -> None:
            nonlocal most, running
            running += 1
            most = max(most, running)
            await trio.sleep(1)
            running -= 1

        async with am.Machine(SCHEMA) as mach:
            pool = amh.TaskPool(mach, 3)
            for _ in range(20):
                await pool.submit(work)
                assert pool.running <= 3
            await trio.sleep(2)
            assert (most, pool.running) == (3, 0)

    async def test_the_fourth_is_refused_and_not_queued(self) -> None:
        async with am.Machine(SCHEMA) as mach:
            pool = amh.TaskPool(mach, 3)
            assert [pool.try_fork(trio.sleep_forever) for _ in range(4)] == [True] * 3 + [False]
            assert pool.running == 3

    async def test_an_error_frees_its_slot_and_is_the_machines(self) -> None:
        async def broken() -> None:
            raise OSError("disk")

        async with am.Machine(SCHEMA) as mach:
            mach.log_traceback = False
            pool = amh.TaskPool(mach, 1)
            assert pool.try_fork(broken)
            await mach.when_err()
            assert isinstance(mach.err, OSError)
            await trio.testing.wait_all_tasks_blocked()
            assert pool.running == 0
            assert pool.try_fork(trio.sleep_forever)

    async def test_a_state_left_before_the_task_began_frees_its_slot(self) -> None:
        ran: list[int] = []

        async def work() -> None:
            ran.append(1)
            await trio.sleep_forever()

        async with am.Machine(SCHEMA) as mach:
            pool = amh.TaskPool(mach, 1)
            mach.add("Foo")
            assert pool.try_fork(work, state="Foo")
            mach.remove("Foo")
            await trio.testing.wait_all_tasks_blocked()
            assert (ran, pool.running) == ([], 0)
            mach.add("Foo")
            assert pool.try_fork(work, state="Foo")
            await trio.testing.wait_all_tasks_blocked()
            mach.remove("Foo")
            await trio.testing.wait_all_tasks_blocked()
            assert (ran, pool.running) == ([1], 0)

    async def test_waiting_for_room_ends_with_the_machine(self) -> None:
        async with am.Machine(SCHEMA) as mach, trio.open_nursery() as nursery:
            pool = amh.TaskPool(mach, 1)
            await pool.submit(trio.sleep_forever)

            async def submit() -> None:
                with pytest.raises(amh.DisposedError):
                    await pool.submit(trio.sleep_forever)

            nursery.start_soon(submit)
            await trio.testing.wait_all_tasks_blocked()
            mach.dispose()
        assert not pool.try_fork(trio.sleep_forever)

    async def test_a_machine_that_is_not_open_keeps_no_slot(self, machine: Any) -> None:
        pool = amh.TaskPool(machine(SCHEMA), 1)
        with pytest.raises(am.NotOpenError):
            pool.try_fork(trio.sleep_forever)
        assert pool.running == 0
        with pytest.raises(ValueError, match="at least one"):
            amh.TaskPool(machine(SCHEMA), 0)


async def test_a_mirror_follows_and_ends_with_its_source(machine: Any) -> None:
    source = machine(SCHEMA, id="m1")
    source.add("Foo", "Needs")
    seen: list[str] = []

    class Handlers:
        def ManyState(self, event: am.Event) -> None:
            seen.append(event.name)

    copy = amh.mirror(source, ["Foo", "Many", "Needs"], handlers=Handlers())
    assert copy.id == "mirror-m1"
    assert copy.active == ("Foo", "Needs")
    assert tuple(copy.schema) == ("Foo", "Many", "Needs", "Exception")
    assert copy.schema["Needs"].require == ()
    assert copy.schema["Many"].multi
    source.add("Many")
    source.remove("Foo")
    assert copy.active == ("Many",)
    assert seen == ["ManyState"]
    source.dispose()
    assert copy.disposed


async def test_health_is_checked_each_period_until_dispose(autojump_clock: Any) -> None:
    early = am.Machine(amh.Basic)
    amh.healthcheck(early, every=5)
    async with early, am.Machine(amh.Basic) as mach:
        amh.healthcheck(mach, every=2)
        await trio.sleep(11)
        assert mach.tick("Healthcheck") == 2 * 5 - 1
        assert early.tick("Healthcheck") == 2 * 2 - 1
        mach.dispose()
        await trio.sleep(11)
        assert mach.tick("Healthcheck") == 9


async def test_machines_without_the_state_are_not_checked(machine: Any) -> None:
    amh.healthcheck(machine(SCHEMA))
    with pytest.raises(ValueError, match="above 0"):
        amh.healthcheck(machine(amh.Basic), every=0)


async def test_a_pool_whose_task_never_began_lets_waiters_learn_of_the_end(machine: Any) -> None:
    async with machine(SCHEMA) as mach:
        pool = amh.TaskPool(mach, 1)
        assert pool.try_fork(trio.sleep_forever)  # its task has not begun yet
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:

                async def submit() -> None:
                    with pytest.raises(amh.DisposedError):
                        await pool.submit(trio.sleep_forever)

                nursery.start_soon(submit)
                mach.dispose()
        assert pool.running == 0


async def test_a_mirror_passes_every_activation_of_a_multi_state(machine: Any) -> None:
    source = machine(SCHEMA, id="m1")
    copy = amh.mirror(source, ["Foo", "Many"])
    for _ in range(3):
        source.add("Many")
        source.add("Foo")
    assert (
        copy.clock("Foo", "Many")
        == {"Foo": 1, "Many": source.tick("Many")}
        == {
            "Foo": 1,
            "Many": 5,
        }
    )
    source.remove("Many")
    assert copy.not_("Many")


async def test_a_second_healthcheck_replaces_the_first(machine: Any, autojump_clock: Any) -> None:
    mach = machine(amh.Basic)
    amh.healthcheck(mach, every=1)
    amh.healthcheck(mach, every=2)
    async with mach:
        await trio.sleep(4.5)
        assert amh.activations(mach.tick("Healthcheck")) == 2
        amh.healthcheck(mach, every=1)
        await trio.sleep(3.1)
        assert amh.activations(mach.tick("Healthcheck")) == 5


async def test_a_machine_with_a_healthcheck_that_was_never_opened_can_be_collected() -> None:
    mach = am.Machine(amh.Basic)
    amh.healthcheck(mach)
    gone = weakref.ref(mach)
    del mach
    gc.collect()
    assert gone() is None
