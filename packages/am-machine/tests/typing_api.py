"""What a user's type checker shall know. Checked by mypy in strict mode, never run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Unpack, assert_type

import am_machine as am


@dataclass
class WorkArgs:
    """Args of the state below."""

    job: int


class WorkStates(am.States):
    """A typed schema."""

    Start = am.State()
    Work = am.State(require=[Start], remove=["Done"], args=WorkArgs, tags=["x"], doc="Works.")
    Done = am.State(remove=[Work], auto=False, multi=True, after=(Start,), add=("Start",))


class MoreStates(WorkStates, am.States):
    """An extended schema."""

    Work = WorkStates.Work.extend(require=["Online"])
    Online = am.State()


class Handlers:
    """Handlers of each kind."""

    def WorkEnter(self, event: am.Event) -> bool:
        return event.tick == 0

    def WorkExit(self, event: am.Event) -> None: ...

    async def WorkState(self, event: am.Event) -> None: ...


def schemas() -> None:
    assert_type(WorkStates.Work, am.State)
    assert_type(WorkStates.names(), tuple[str, ...])
    assert_type(WorkStates.schema(), am.Schema)
    assert_type(WorkStates.groups(), Mapping[str, tuple[str, ...]])


def machines() -> am.Machine:
    am.Machine({"Foo": {"require": ["Bar"]}, "Bar": {}})
    am.Machine(WorkStates.schema())
    return am.Machine(
        WorkStates,
        id="m",
        handlers=Handlers(),
        parent=None,
        tags=("a", "b"),
        handler_timeout=None,
        queue_limit=10,
        catch_exceptions=False,
        log_level=am.LogLevel.OPS,
        tracers=[am.Tracer()],
    )


def handed_on(snapshot: am.Snapshot, **options: Unpack[am.MachineOptions]) -> am.Machine:
    am.Machine.restore(snapshot, WorkStates, id="m", handlers=Handlers(), queue_limit=1)
    # What is no option is an error; a checker that lets it pass calls the comment needless.
    am.Machine.restore(snapshot, WorkStates, queue_limits=1)  # type: ignore[call-arg]
    return am.Machine(WorkStates, id="m", **options)


def mutations(m: am.Machine) -> None:
    assert_type(m.add("Start", WorkStates.Work, job=1), am.Result)
    assert_type(m.remove("Start"), am.Result)
    assert_type(m.set(), am.Result)
    assert_type(m.toggle("Start"), am.Result)
    assert_type(m.add_err(ValueError()), am.Result)
    assert_type(m.add_err("Done", ValueError(), x=1), am.Result)
    assert_type(m.can_add("Start"), am.Result)
    assert_type(m.add("Start").executed, bool)
    assert_type(m.add("Start").queue_tick, int)
    assert_type(m.add("Start").error, BaseException | None)
    assert_type(m.add("Start").outcome, am.Result | None)


async def awaits(m: am.Machine) -> None:
    assert_type(await m.add("Start"), am.Result)
    assert_type(await m.check_add("Start"), am.Result)
    assert_type(await m.when("Start"), bool)
    assert_type(m.when_time({"Start": 1}), am.Wait)
    assert_type(m.when_args("Start", id=1), am.Wait)
    assert_type(m.when("Start").done, bool)
    async with m as opened:
        assert_type(opened, am.Machine)


def reads(m: am.Machine) -> None:
    assert_type(m.is_("Start", "Work"), bool)
    assert_type(m.any_("Start", ("Work", "Done")), bool)
    assert_type("Start" in m, bool)
    assert_type(m.active, tuple[str, ...])
    assert_type(m.switch("Start", "Work"), str | None)
    assert_type(m.tick("Start"), int)
    assert_type(m.time("Start"), am.Time)
    assert_type(m.time().sum, int)
    assert_type(m.clock(), dict[str, int])
    assert_type(m.err, BaseException | None)
    assert_type(m.queue, tuple[am.Mutation, ...])
    assert_type(m.transition, am.Transition | None)
    assert_type(m.schema, am.Schema)


async def work(count: int, name: str) -> None:
    """A task."""


def contexts(m: am.Machine) -> None:
    ctx = m.state_ctx("Start")
    assert_type(ctx, am.StateContext)
    assert_type(ctx.expired, bool)
    with ctx:
        assert_type(m.fork(work, 1, "x", state="Start"), am.Fork)


def snapshots(m: am.Machine) -> None:
    snapshot = m.export()
    assert_type(snapshot, am.Snapshot)
    assert_type(am.Machine.restore(snapshot, WorkStates, id="other"), am.Machine)


def generic(m: am.MachineApi) -> None:
    """Code that works on every kind of machine."""
    assert_type(m.add("Start"), am.Result)
    assert_type(m.is_local, bool)


def the_machine_satisfies_the_protocol(m: am.Machine) -> None:
    generic(m)


def misuse(m: am.Machine) -> None:
    """Each of these is an error to the type checker, else mypy warns of the needless ignore."""
    m.add(1)  # type: ignore[arg-type]
    m.when_time("Start")  # type: ignore[arg-type]
    m.tick()  # type: ignore[call-arg]
    m.active = ()  # type: ignore[misc]
    am.Machine()  # type: ignore[call-arg]
