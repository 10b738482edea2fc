# /// script
# requires-python = ">=3.11"
# dependencies = ["am-machine"]
#
# [tool.uv.sources]
# am-machine = { path = "../../packages/am-machine", editable = true }
# ///
"""A graph of dependencies: A needs B and C, B needs D. First at once, then with work to do."""

from __future__ import annotations

import trio
from trio.testing import MockClock

import am_machine as am


class Graph(am.States):
    """What is needed is required; `auto` makes the rest follow from Start."""

    Start = am.State()
    A = am.State(auto=True, require=["B", "C"])
    B = am.State(auto=True, require=["D"], after=["C"])  # both could be next: C goes first
    C = am.State(auto=True, require=[Start])
    D = am.State(auto=True, require=[Start])


class Order:
    """Notes in which order the states were entered."""

    def __init__(self) -> None:
        self.entered: list[str] = []

    def AState(self, event: am.Event) -> None:
        """A was entered."""
        self.entered.append("A")

    def BState(self, event: am.Event) -> None:
        """B was entered."""
        self.entered.append("B")

    def CState(self, event: am.Event) -> None:
        """C was entered."""
        self.entered.append("C")

    def DState(self, event: am.Event) -> None:
        """D was entered."""
        self.entered.append("D")


def at_once() -> am.Machine:
    """One mutation, one automatic one: relations put the states into order."""
    order = Order()
    mach = am.Machine(Graph, handlers=order, id="at-once")
    mach.add("Start")
    print("at once:", " ".join(order.entered))
    return mach


class Works(am.States):
    """The same graph with work: an action per node, and an outcome that ends it."""

    Start = am.State()
    DoA = am.State(auto=True, require=["B", "C"])
    DoB = am.State(auto=True, require=["D"])
    DoC = am.State(auto=True, require=[Start])
    DoD = am.State(auto=True, require=[Start])
    A = am.State(remove=[DoA])  # an active outcome keeps its action from being tried again
    B = am.State(remove=[DoB])
    C = am.State(remove=[DoC])
    D = am.State(remove=[DoD])


class Workers:
    """Each action is a task. None of them knows who waits for it."""

    async def DoAState(self, event: am.Event) -> None:
        """Needs B and C."""
        await work(event, "A", 0.1)

    async def DoBState(self, event: am.Event) -> None:
        """Needs D."""
        await work(event, "B", 0.1)

    async def DoCState(self, event: am.Event) -> None:
        """Needs nothing, but takes long."""
        await work(event, "C", 0.5)

    async def DoDState(self, event: am.Event) -> None:
        """Needs nothing."""
        await work(event, "D", 0.1)


async def work(event: am.Event, outcome: str, seconds: float) -> None:
    """Take some time, then add the outcome."""
    await trio.sleep(seconds)
    event.add(outcome)
    print(f"  {outcome} is done, now: {' '.join(event.machine.active)}")


async def with_delays() -> am.Machine:
    """Whatever can run runs side by side."""
    async with am.Machine(Works, handlers=Workers(), id="with-delays") as mach:
        mach.add("Start")
        print("with delays:", " ".join(mach.active))
        await mach.when("A")
    return mach


async def story() -> None:
    """Both graphs."""
    print("in the end:", at_once().string_all())
    print("in the end:", (await with_delays()).string_all())


def main() -> None:
    """Run the story. Its seconds pass at once, and in order however busy the host is."""
    trio.run(story, clock=MockClock(autojump_threshold=0))


if __name__ == "__main__":
    main()
