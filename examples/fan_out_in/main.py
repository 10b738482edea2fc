# /// script
# requires-python = ">=3.11"
# dependencies = ["am-helpers", "am-machine"]
#
# [tool.uv.sources]
# am-helpers = { path = "../../packages/am-helpers", editable = true }
# am-machine = { path = "../../packages/am-machine", editable = true }
# ///
"""Fan out, fan in: tasks become states at run time, a few run at once, all together make Ready."""

from __future__ import annotations

import trio

import am_helpers as amh
import am_machine as am

TASKS = tuple(f"Task{number}" for number in range(1, 16))
AT_ONCE = 3
SECONDS = 0.1


class FanStates(amh.Basic):
    """What is known before the tasks are: they start, some may fail, in the end all is ready."""

    Ready = amh.Basic.Ready.extend(auto=True)
    ErrTask = am.State(multi=True, require=[amh.Basic.Exception])


def done(task: str) -> str:
    """The state that says that a task is done."""
    return f"{task}Done"


def grow(mach: am.Machine, tasks: tuple[str, ...]) -> None:
    """Give the machine two states for each task, and let Ready require all that must be done."""
    states: dict[str, am.State] = {name: mach.schema[name] for name in mach.schema.names}
    for task in tasks:
        states[task] = am.State(require=["Start"])
        states[done(task)] = am.State(remove=[task])
    states["Ready"] = states["Ready"].extend(require=map(done, tasks))
    mach.set_schema(am.Schema(states), states)


class Fan:
    """Runs the tasks; one of them fails at its first try."""

    def __init__(self, mach: am.Machine) -> None:
        self.pool = amh.TaskPool(mach, AT_ONCE)
        self.most = 0
        self.tries: list[str] = []

    async def StartState(self, event: am.Event) -> None:
        """Fan out: `submit` waits for room."""
        for task in TASKS:
            await self.pool.submit(self.run, event.machine, task)

    async def run(self, mach: am.Machine, task: str) -> None:
        """One try of one task."""
        self.tries.append(task)
        mach.add(task)
        try:
            await trio.sleep(SECONDS)  # the work
            if task == "Task7" and self.tries.count(task) == 1:
                raise OSError("no route to the result")
        except OSError as exc:
            mach.add_err("ErrTask", exc, task=task)
        else:
            mach.add(done(task))

    def ErrTaskState(self, event: am.Event) -> None:
        """Clear the error, and hand the task in again."""
        task = event.args["task"]
        print(f"{task} failed ({event.args['err']}), once more")
        event.remove(task, "ErrTask", "Exception")
        event.machine.fork(self.pool.submit, self.run, event.machine, task)

    def AnyState(self, event: am.Event) -> None:
        """Watch how many run at once."""
        self.most = max(self.most, sum(task in event.machine for task in TASKS))

    def ExceptionState(self, event: am.Event) -> None:
        """Errors of tasks are dealt with above; nothing is left to report."""

    def ReadyState(self, event: am.Event) -> None:
        """Fan in: nobody counted, the relations did."""
        print(f"ready after {len(self.tries)} tries of {len(TASKS)} tasks, {self.most} at once")


async def story() -> am.Machine:
    """Grow, fan out, fan in."""
    mach = am.Machine(FanStates, id="fan")
    amh.debug_env(mach)
    print(len(mach.schema.names), "states")
    grow(mach, TASKS)
    print(len(mach.schema.names), "states")
    async with mach:
        mach.bind(Fan(mach))
        mach.add("Start")
        await mach.when("Ready")
        print("done:", " ".join(str(mach.tick(done(task))) for task in TASKS))
        print("in the end:", mach)
    return mach


def main() -> None:
    """Run the story."""
    trio.run(story)


if __name__ == "__main__":
    main()
