# /// script
# requires-python = ">=3.11"
# dependencies = ["am-machine"]
#
# [tool.uv.sources]
# am-machine = { path = "../../packages/am-machine", editable = true }
# ///
"""Every way to wait: a wait listens from the moment it is made, and may be awaited much later."""

from __future__ import annotations

import trio

import am_machine as am


class LampStates(am.States):
    """A lamp that is on or off, a dimmer, and a queue of visitors."""

    On = am.State(remove=["Off"])
    Off = am.State(remove=[On])
    Dimmed = am.State(require=[On])
    Visitor = am.State(multi=True)


class Errors:
    """Takes errors; without it the machine would log them."""

    def ExceptionState(self, event: am.Event) -> None:
        """Tell which."""
        print("an error:", event.args["err"])


class Moths:
    """A handler whose mutation has to wait in the queue until the running one has ended."""

    def __init__(self) -> None:
        self.waits: dict[str, am.Wait] = {}

    def DimmedState(self, event: am.Event) -> None:
        """A moth comes to a dimmed lamp."""
        mach = event.machine
        queued = mach.add("Visitor", name="moth")
        self.waits = {"when_queue": mach.when_queue(queued), "ends": mach.when_queue_ends()}
        show(f"in the handler, the moth is {queued}", **self.waits)


def show(title: str, **waits: am.Wait) -> None:
    """Tell which waits are done."""
    print(f"{title}: " + ", ".join(f"{k} {'done' if w.done else 'open'}" for k, w in waits.items()))


def by_states(mach: am.Machine) -> None:
    """All, any, none, and the next time."""
    waits = {
        "when": mach.when("On", "Dimmed"),
        "when_any": mach.when_any("On", "Dimmed"),
        "when_not": mach.when_not("Off"),
        "when_next_active": mach.when_next_active("Off"),
    }
    show("off", **waits)
    mach.add("On")
    show("on", **waits)
    mach.add("Dimmed")
    show("dimmed", **waits)
    mach.add("Off")
    show("off again", **waits)


def by_clocks(mach: am.Machine) -> None:
    """Ticks by value or by distance, and any question about the clocks."""
    now = mach.tick("On")
    waits = {
        "when_time": mach.when_time({"On": now + 2, "Off": 2}),
        "when_ticks": mach.when_ticks("On", 3),
        "when_query": mach.when_query(lambda clock: clock["On"] + clock["Off"] > now + 6),
    }
    for _ in range(3):
        mach.toggle("On")
        if mach.not_("On"):
            mach.add("Off")
        show(str(mach), **waits)


def by_args(mach: am.Machine) -> None:
    """The arguments of a mutation can be waited for, too."""
    waits = {
        "cat": mach.when_args("Visitor", name="cat"),
        "fox": mach.when_args("Visitor", name="fox"),
    }
    mach.add("Visitor", name="cat", hungry=True)
    show("a cat came", **waits)
    waits["fox"].cancel()
    show("nobody waits for the fox any more", **waits)


async def by_queue(mach: am.Machine) -> None:
    """What a handler has queued, and the end of the queue."""
    moths = Moths()
    mach.bind(moths)
    mach.add("On")
    mach.add("Dimmed")
    show("after it", **moths.waits)
    await moths.waits["when_queue"]  # a wait that is done can still be awaited


async def story() -> None:
    """Wait in every way, then end the machine."""
    async with am.Machine(LampStates, handlers=Errors(), id="lamp") as mach:
        mach.add("Off")
        by_states(mach)
        by_clocks(mach)
        by_args(mach)
        await by_queue(mach)

        failed = mach.when_err()
        mach.add_err(RuntimeError("the bulb is broken"))
        print("when_err:", await failed)
        mach.remove("Exception")

        never, disposed = mach.when("Off"), mach.when_disposed()
        mach.dispose()
        print("disposed, when:", await never, "- when_disposed:", await disposed)
    print("in the end:", mach.string_all())


def main() -> None:
    """Run the story."""
    trio.run(story)


if __name__ == "__main__":
    main()
