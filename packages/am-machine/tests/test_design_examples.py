"""The programs of the design, as printed there, with the missing names supplied."""

from __future__ import annotations

from typing import Any

import pytest
import trio.testing

import am_machine as am


class FileStates(am.States):
    """The typed schema of the design."""

    ProcessingFile = am.State(remove=["FileProcessed"])
    FileProcessed = am.State(remove=["ProcessingFile"])
    InProgress = am.State(auto=True, require=[ProcessingFile])


class MyStates(FileStates, am.States):
    """Its extension."""

    InProgress = FileStates.InProgress.extend(require=["Online"])
    Online = am.State()

    class Groups:
        Flow = [FileStates.ProcessingFile, FileStates.FileProcessed]  # noqa: RUF012


@pytest.fixture
def mach() -> am.Machine:
    """A machine with the names that the design uses."""
    states = "Foo Bar Baz A B Work ErrNetwork"
    return am.Machine({name: {} for name in states.split()}, id="mach")


def test_schemas() -> None:
    assert FileStates.ProcessingFile == "ProcessingFile"
    assert isinstance(FileStates.ProcessingFile, am.State)
    assert isinstance(FileStates.ProcessingFile, str)
    assert FileStates.names() == ("ProcessingFile", "FileProcessed", "InProgress", "Exception")
    schema = FileStates.schema()
    assert isinstance(schema, am.Schema)
    assert schema["InProgress"].require == ("ProcessingFile",)
    assert MyStates.names() == (
        "ProcessingFile",
        "FileProcessed",
        "InProgress",
        "Online",
        "Exception",
    )
    assert MyStates.schema()["InProgress"].require == ("ProcessingFile", "Online")
    assert MyStates.groups() == {"Flow": ("ProcessingFile", "FileProcessed")}


def test_machines() -> None:
    class Handlers:
        def ProcessingFileState(self, event: am.Event) -> None:
            """Starts to process."""

    mach = am.Machine(FileStates, handlers=Handlers(), id="file1")
    assert mach.add("ProcessingFile") is am.EXECUTED
    assert mach.active == ("ProcessingFile", "InProgress")
    mach = am.Machine({"Foo": {"require": ["Bar"]}, "Bar": {}})
    assert mach.add("Foo") is am.CANCELED
    with pytest.raises(am.UnknownStateError):
        mach.add("Nope")
    with pytest.raises(am.SchemaError) as caught:
        am.Machine({"Foo": {"require": ["Nope"], "remove": ["Also"]}, "bad": {}})
    assert len(caught.value.faults) == 3


@pytest.mark.trio
async def test_mutations(mach: am.Machine) -> None:
    exc = ValueError("boom")
    mach.add("Foo", "Bar", x=1)
    mach.remove("Foo")
    mach.set("Foo")
    mach.toggle("Foo")
    mach.add_err(exc, more=1)
    mach.add_err("ErrNetwork", exc, more=1)
    assert mach.is_("ErrNetwork", "Exception")
    assert mach.can_add("Foo") is am.EXECUTED
    assert mach.can_remove("Foo") is am.EXECUTED
    assert await mach.check_add("Foo") is am.EXECUTED
    assert await mach.check_remove("Foo") is am.EXECUTED
    res = mach.add("Foo")
    assert (res.executed, res.canceled, res.queued, res.queue_tick) == (True, False, False, 0)
    assert res.error is None
    assert res is am.EXECUTED
    assert res is not am.CANCELED
    assert await res is am.EXECUTED
    assert bool(res)
    assert not am.CANCELED


def test_checks(mach: am.Machine) -> None:
    mach.add("Foo", "Bar")
    assert mach.is_("Foo", "Bar")
    assert not mach.not_("Foo", "Bar")
    assert mach.any_("Foo", ("Bar", "Baz"))
    assert "Foo" in mach
    assert mach.active == ("Foo", "Bar")
    assert mach.switch("A", "B") is None
    assert mach.switch("Baz", "Bar") == "Bar"
    assert mach.tick("Foo") == 1
    time = mach.time("Foo", "Baz")
    assert isinstance(time, am.Time)
    assert (tuple(time), time.sum) == ((1, 0), 1)
    assert mach.clock("Foo", "Baz") == {"Foo": 1, "Baz": 0}
    assert mach.is_time(mach.time())
    assert mach.was_time(am.Time([0, 1]), "Foo", "Bar")
    assert not mach.is_time(am.Time([0, 1]), "Foo", "Bar")
    assert mach.is_clock({"Foo": 1})
    assert mach.was_clock({"Foo": 0})
    assert mach.err is None
    assert not mach.is_err
    assert (mach.queue_tick, mach.machine_tick, mach.queue) == (2, 0, ())
    assert not mach.is_queued("add", "Foo")
    assert not mach.will_be("Foo")
    assert not mach.will_be_removed("Foo")
    assert mach.transition is None
    assert (mach.id, mach.tags, mach.parent, mach.is_local) == ("mach", (), None, True)
    assert str(mach) == "(Foo:1 Bar:1)"
    assert mach.string_all().startswith("(Foo:1 Bar:1) [Baz:0 ")


def test_waits(mach: am.Machine) -> None:
    waits = [
        mach.when("Foo", "Bar"),
        mach.when_any("Foo", "Bar"),
        mach.when_args("Foo", id=123),
        mach.when_time({"Foo": 6}),
        mach.when_ticks("Foo", 2),
        mach.when_next_active("Foo"),
        mach.when_query(lambda clock: clock["Foo"] > 100),
        mach.when_err(),
        mach.when_disposed(),
    ]
    assert not any(wait.done for wait in waits)
    done = [mach.when_not("Foo"), mach.when_queue(mach.add("Foo")), mach.when_queue_ends()]
    assert all(wait.done for wait in done)
    waits[0].cancel()
    mach.dispose()
    assert all(wait.done for wait in waits)


@pytest.mark.trio
async def test_contexts_and_tasks(mach: am.Machine) -> None:
    got: list[Any] = []

    async def async_fn(*args: Any) -> None:
        got.append(args)

    async with mach:
        mach.add("Foo")
        ctx = mach.state_ctx("Foo")
        assert (ctx.expired, ctx.tick) == (False, 1)
        mach.fork(async_fn, 1, 2, state="Foo")
        await mach.when("Foo")
        await trio.testing.wait_all_tasks_blocked()
        mach.on_dispose(got.append)
    assert mach.disposed
    assert ctx.expired
    assert got == [(1, 2), mach]
    mach.dispose()


def test_introspection(mach: am.Machine, recorder: Any) -> None:
    calls: list[str] = []
    binding = mach.bind({"FooState": lambda e: calls.append(e.name)})
    mach.bind_tracer(recorder)
    mach.add("Foo")
    binding.detach()
    mach.remove("Foo")
    mach.add("Foo")
    assert calls == ["FooState"]
    snapshot = mach.export()
    again = am.Machine.restore(snapshot, mach.schema)
    assert again.string_all() == mach.string_all()
    names = [*mach.schema, "New"]
    mach.set_schema({name: {} for name in names}, names)
    assert mach.add("New") is am.EXECUTED


def test_the_protocol_fits_the_machine(mach: am.Machine) -> None:
    def use(machine: am.MachineApi) -> bool:
        return machine.is_local and bool(machine.add("Foo")) and machine.is_("Foo")

    assert use(mach)
