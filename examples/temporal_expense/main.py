# /// script
# requires-python = ">=3.11"
# dependencies = ["am-helpers", "am-machine"]
#
# [tool.uv.sources]
# am-helpers = { path = "../../packages/am-helpers", editable = true }
# am-machine = { path = "../../packages/am-machine", editable = true }
# ///
"""An expense: create it, wait for its approval, pay. First as states, then as plain code.

Approvals come in for all kinds of expenses; only the right one counts, and only in time.
"""

from __future__ import annotations

import trio
from trio.testing import MockClock

import am_helpers as amh
import am_machine as am

NUMBER = 123  # of the expense
WORK = 0.05  # seconds that creating and paying take
PAUSE = 0.1  # seconds between two approvals that come in
PATIENCE = 1.0  # seconds that an expense waits


class InboxStates(am.States):
    """Where approvals come in, whatever they are about."""

    Approval = am.State(multi=True)


class ExpenseStates(amh.Basic, InboxStates):
    """Actions and outcomes. An outcome ends its action, the next action follows by itself."""

    Creating = am.State(auto=True, require=[amh.Basic.Start])
    Created = am.State(remove=[Creating])
    Waiting = am.State(auto=True, require=[Created])
    Approved = am.State(remove=[Waiting])
    TimedOut = am.State(remove=[Waiting])
    Paying = am.State(auto=True, require=[Approved])
    Paid = am.State(remove=[Paying])


class Expense:
    """Each method knows its own step and no other."""

    async def CreatingState(self, event: am.Event) -> None:
        """Write it down."""
        await trio.sleep(WORK)
        event.add("Created")

    async def WaitingState(self, event: am.Event) -> None:
        """Wait for the right approval, and for no longer than PATIENCE."""
        print(f"  expense {NUMBER} waits")
        approval = event.machine.when_args("Approval", number=NUMBER)
        with trio.move_on_after(PATIENCE):
            await approval
        event.add("Approved" if approval.done else "TimedOut")

    async def PayingState(self, event: am.Event) -> None:
        """Send the money."""
        print("  approved")
        await trio.sleep(WORK)
        event.add("Paid")

    def PaidState(self, event: am.Event) -> None:
        """The good end."""
        print("  paid")

    def TimedOutState(self, event: am.Event) -> None:
        """The other end."""
        print("  too late")


async def as_states(*sent: int) -> am.Machine:
    """The expense as a machine: where it is can be seen, waited for and exported."""
    mach = am.Machine(ExpenseStates, handlers=Expense(), id="expense")
    amh.debug_env(mach)
    async with mach:
        mach.add("Start")
        ended = mach.when_any("Paid", "TimedOut")
        await mach.when("Waiting")
        mach.fork(send, mach, *sent)
        await amh.wait_for_all(ended, timeout=3, err=mach)
        print("  in the end:", mach)
    return mach


async def as_code(*sent: int) -> None:
    """The same as one function: shorter, and nobody outside can see where it is."""
    async with am.Machine(InboxStates, id="inbox") as inbox:
        amh.debug_env(inbox)
        await trio.sleep(WORK)
        print(f"  expense {NUMBER} waits")
        inbox.fork(send, inbox, *sent)
        approval = inbox.when_args("Approval", number=NUMBER)
        with trio.move_on_after(PATIENCE):
            await approval
        if not approval.done:
            print("  too late")
            return
        print("  approved")
        await trio.sleep(WORK)
        print("  paid")


async def send(inbox: am.Machine, *numbers: int) -> None:
    """The world outside: an approval now and then."""
    for number in numbers:
        await trio.sleep(PAUSE)
        print(f"  an approval of expense {number} comes in")
        inbox.add("Approval", number=number)


async def story() -> None:
    """A wrong approval and a right one; then only a wrong one."""
    for sent in ((999, NUMBER), (999,)):
        print("as states:")
        await as_states(*sent)
        print("as code:")
        await as_code(*sent)


def main() -> None:
    """Run the story. Its seconds pass at once, and in order however busy the host is."""
    trio.run(story, clock=MockClock(autojump_threshold=0))


if __name__ == "__main__":
    main()
