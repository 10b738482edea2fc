"""Children of a machine, bindings, tasks and contexts: what a machine keeps beside its clocks."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio
from growth import Row, Sample, batched, looped

import am_machine as am

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

FOO = am.Schema({"Foo": {}})


def child_beside(size: int) -> Sample:
    """Create one more child, which is dropped again."""
    parent = am.Machine(FOO)
    kept = [am.Machine(FOO, parent=parent) for _ in range(size)]

    def loop(count: int) -> None:
        for _ in range(count):
            am.Machine(FOO, parent=parent)
        assert kept

    return looped(loop)


class Handlers:
    """One final handler."""

    def FooState(self, event: am.Event) -> None: ...


def binding_beside(size: int) -> Sample:
    """Bind one more object whose handlers are named as those of the others."""
    machine = am.Machine(FOO)
    for _ in range(size):
        machine.bind(Handlers())
    last: list[am.Binding] = []

    def make(count: int) -> list[Handlers]:
        while last:
            last.pop().detach()
        return [Handlers() for _ in range(count)]

    return batched(make, lambda obj: last.append(machine.bind(obj)), 5)


def pipe_beside(size: int) -> Sample:
    """The same as a pipe does it: a mapping of two handlers, noted in the semantic log."""
    machine = am.Machine(FOO)
    last: list[am.Binding] = []

    def pipe(number: int) -> None:
        def forward(event: am.Event) -> None: ...

        last.append(machine.bind({"FooState": forward, "FooEnd": forward}, name=f"pipe-{number}"))
        machine.sem_log.pipe_out("add", "Foo", f"target-{number}")

    for number in range(size):
        pipe(number)
    last.clear()

    def make(count: int) -> list[int]:
        while last:
            machine.sem_log.pipe_gc(f"target-{size + len(last) - 1}")
            last.pop().detach()
        return list(range(size, size + count))

    return batched(make, pipe, 5)


@asynccontextmanager
async def tasks_of(size: int) -> AsyncIterator[Sample]:
    """Enter a multi state again, while tasks that are bound to it run."""
    machine = am.Machine({"Busy": {"multi": True}})
    async with machine:
        machine.add("Busy")
        for _ in range(size):
            machine.fork(trio.sleep_forever, state="Busy")
        await trio.lowlevel.checkpoint()

        def loop(count: int) -> None:
            for _ in range(count):
                machine.add("Busy")

        yield looped(loop)


@asynccontextmanager
async def ending_tasks_of(size: int) -> AsyncIterator[Sample]:
    """Enter and leave a state, while tasks that ended with it before are not through yet."""
    machine = am.Machine({"Busy": {}})
    through = trio.Event()

    async def slow_to_end() -> None:
        with trio.CancelScope(shield=True):
            await through.wait()

    async with machine:
        machine.add("Busy")
        for _ in range(size):
            machine.fork(slow_to_end, state="Busy")
        await trio.lowlevel.checkpoint()
        machine.remove("Busy")

        def loop(count: int) -> None:
            for _ in range(count):
                machine.add("Busy")
                machine.remove("Busy")

        yield looped(loop)
        through.set()


def contexts_of(size: int) -> Sample:
    """Toggle a state, ending its context, beside the contexts of others."""
    names = [f"State{number}" for number in range(size)]
    machine = am.Machine({"Foo": {}, **{name: {} for name in names}})
    machine.set(*names)
    kept = [machine.state_ctx(name) for name in names]

    def loop(count: int) -> None:
        for _ in range(count):
            machine.add("Foo")
            context = machine.state_ctx("Foo")
            machine.remove("Foo")
            assert context.expired
        assert not kept[0].expired

    return looped(loop)


ROWS = [
    Row(
        "C1",
        "create a child beside n",
        (100, 1_000, 5_000, 20_000),
        (100, 1_000),
        child_beside,
    ),
    Row(
        "C2 object",
        "bind one more object with the same names",
        (1, 10, 100, 500, 2_000),
        (10, 200),
        binding_beside,
    ),
    Row(
        "C2 pipe",
        "bind one more pipe from the same state",
        (1, 10, 100, 500, 2_000),
        (10, 200),
        pipe_beside,
    ),
    Row(
        "C9 tasks",
        "enter a multi state with n running tasks",
        (10, 100, 1_000, 10_000),
        (10, 1_000),
        tasks_of,
        in_trio=True,
    ),
    Row(
        "C9 ending",
        "enter and leave a state with n tasks that are about to end",
        (10, 100, 1_000, 10_000),
        (10, 1_000),
        ending_tasks_of,
        in_trio=True,
    ),
    Row(
        "C9 contexts",
        "toggle one state beside contexts of n",
        (10, 100, 1_000, 4_000),
        (10, 1_000),
        contexts_of,
    ),
]
