"""Acceptance 7: requests, on a virtual clock."""

from __future__ import annotations

from typing import Any

import pytest
import trio

import am_helpers as amh
import am_machine as am

pytest.importorskip("tenacity")

pytestmark = pytest.mark.trio

SCHEMA: dict[str, Any] = {"Foo": {}}


class Refuses:
    """Refuses Foo a number of times, and notes when it was asked."""

    def __init__(self, times: float) -> None:
        self.left = times
        self.asked: list[float] = []

    def FooEnter(self, event: am.Event) -> bool:
        self.asked.append(trio.current_time())
        self.left -= 1
        return self.left < 0

    FooExit = FooEnter

    @property
    def gaps(self) -> list[float]:
        return [round(b - a, 6) for a, b in zip(self.asked, self.asked[1:], strict=False)]


class TestAcceptance07Request:
    async def test_three_refusals_are_four_tries_with_growing_waits(
        self, machine: Any, autojump_clock: Any
    ) -> None:
        refuses = Refuses(3)
        mach = machine(SCHEMA, handlers=refuses)
        assert await amh.Request.add(mach, "Foo").run() is am.EXECUTED
        assert refuses.gaps == [0.1, 0.2, 0.4]
        assert mach.is_("Foo")

    async def test_eleven_tries_are_the_end(self, machine: Any, autojump_clock: Any) -> None:
        refuses = Refuses(float("inf"))
        mach = machine(SCHEMA, handlers=refuses)
        with pytest.raises(amh.CanceledError) as caught:
            await amh.Request.add(mach, "Foo").max_duration(1000).run()
        assert caught.value.tries == len(refuses.asked) == 11
        assert refuses.gaps == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5, 5, 5]

    async def test_five_seconds_are_the_end_and_no_wait_beyond_is_begun(
        self, machine: Any, autojump_clock: Any
    ) -> None:
        refuses = Refuses(float("inf"))
        mach = machine(SCHEMA, handlers=refuses)
        start = trio.current_time()
        with pytest.raises(amh.CanceledError) as caught:
            await amh.Request.add(mach, "Foo").run()
        assert caught.value.tries == len(refuses.asked) == 6
        assert trio.current_time() - start == pytest.approx(0.1 + 0.2 + 0.4 + 0.8 + 1.6)

    async def test_settings_are_copies_and_constant_waits_possible(
        self, machine: Any, autojump_clock: Any
    ) -> None:
        refuses = Refuses(2)
        other = machine(SCHEMA)
        other.add("Foo")
        other.bind(refuses)
        base = amh.Request.remove(machine(SCHEMA), "Foo")
        changed = base.delay(0.3).backoff(0).retries(2)
        assert base.delay(0.1) == base != changed
        assert await changed.with_(mach=other).run() is am.EXECUTED
        assert refuses.gaps == [0.3, 0.3]
        assert other.not_("Foo")

    async def test_dispose_ends_it_at_once(self, machine: Any, autojump_clock: Any) -> None:
        mach = machine(SCHEMA, handlers=Refuses(float("inf")))

        async def dispose() -> None:
            await trio.sleep(0.15)
            mach.dispose()

        start = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(dispose)
            with pytest.raises(amh.CanceledError):
                await amh.Request.add(mach, "Foo").delay(0.1).run()
        assert trio.current_time() - start == pytest.approx(0.15)

    async def test_cancelling_inside_a_wait_leaves_nothing_behind(
        self, machine: Any, autojump_clock: Any
    ) -> None:
        refuses = Refuses(float("inf"))
        mach = machine(SCHEMA, handlers=refuses)
        with trio.move_on_after(0.15) as scope:
            await amh.Request.add(mach, "Foo").run()
        assert scope.cancelled_caught
        asked = len(refuses.asked)
        await trio.sleep(10)
        assert len(refuses.asked) == asked == 2
        assert mach.queue == ()

    async def test_misuse_is_not_repeated(self, machine: Any) -> None:
        mach = machine(SCHEMA)
        with pytest.raises(am.UnknownStateError):
            await amh.Request.add(mach, "Nope").run()
        with pytest.raises(ValueError, match="negative"):
            amh.Request.add(mach, "Foo").delay(-1)
