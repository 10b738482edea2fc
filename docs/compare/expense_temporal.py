"""The expense of `examples/temporal_expense` as a workflow of Temporal.

Temporal's own sandbox accepts it; running it takes a Temporal server.
"""

from __future__ import annotations

from datetime import timedelta

from temporalio import activity, workflow

WORK = timedelta(seconds=10)
PATIENCE = timedelta(seconds=0.6)


@activity.defn
async def create(number: int) -> None:
    """Write it down."""
    activity.logger.info("expense %s waits", number)


@activity.defn
async def pay(number: int) -> None:
    """Send the money."""
    activity.logger.info("expense %s is paid", number)


@workflow.defn
class ExpenseWorkflow:
    """Create it, wait for its approval, pay."""

    def __init__(self) -> None:
        self.approved: set[int] = set()

    @workflow.signal
    def approve(self, number: int) -> None:
        """An approval comes in, of whichever expense."""
        self.approved.add(number)

    @workflow.run
    async def run(self, number: int) -> str:
        """One expense, from its beginning to its end."""
        await workflow.execute_activity(create, number, start_to_close_timeout=WORK)
        try:
            await workflow.wait_condition(lambda: number in self.approved, timeout=PATIENCE)
        except TimeoutError:
            return "too late"
        await workflow.execute_activity(pay, number, start_to_close_timeout=WORK)
        return "paid"


WORKFLOWS = [ExpenseWorkflow]
