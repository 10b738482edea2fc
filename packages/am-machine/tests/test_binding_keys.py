"""Binding by prefix and by keys, and keywords as an instance of a class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import InitVar, dataclass
from typing import Any

import pytest
import trio.testing

import am_machine as am

Flat = Callable[..., am.Machine]


def noting(calls: list[str]) -> Callable[[am.Event], None]:
    return lambda event: calls.append(event.name)


# -- prefix ---------------------------------------------------------------------------------------


class Part:
    """Handlers of states that know nothing of their prefix."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def UpEnter(self, event: am.Event) -> None:
        self.calls.append(event.name)

    def UpState(self, event: am.Event) -> None:
        self.calls.append(event.name)

    def UpDown(self, event: am.Event) -> None:
        self.calls.append(event.name)

    def DownEnd(self, event: am.Event) -> None:
        self.calls.append(event.name)


@pytest.fixture
def prefixed() -> am.Machine:
    return am.Machine({"FooUp": {}, "FooDown": {}, "Up": {}, "BarUp": {}})


def test_with_a_prefix_names_are_read_without_it(prefixed: am.Machine) -> None:
    part = Part()
    bound = prefixed.bind(part, prefix="Foo")
    assert set(bound.handlers) == {"FooUpEnter", "FooUpState", "FooUpFooDown", "FooDownEnd"}
    prefixed.add("FooUp")
    prefixed.set("FooDown")
    prefixed.set()
    assert part.calls == ["FooUpEnter", "FooUpState", "FooUpFooDown", "FooDownEnd"]


def test_with_a_prefix_other_states_are_left_alone(prefixed: am.Machine) -> None:
    part = Part()
    prefixed.bind(part, prefix="Foo")
    prefixed.add("Up", "BarUp")
    assert part.calls == []


def test_one_class_serves_several_prefixes(prefixed: am.Machine) -> None:
    class Up:
        def __init__(self) -> None:
            self.calls: list[str] = []

        def UpState(self, event: am.Event) -> None:
            self.calls.append(event.name)

    foo, bar = Up(), Up()
    prefixed.bind(foo, prefix="Foo")
    prefixed.bind(bar, prefix="Bar")
    prefixed.add("FooUp", "BarUp", "Up")
    assert (foo.calls, bar.calls) == (["FooUpState"], ["BarUpState"])


def test_with_a_prefix_exception_and_any_are_those_of_the_machine(prefixed: am.Machine) -> None:
    calls: list[str] = []
    handlers = {n: noting(calls) for n in ("ExceptionState", "AnyState", "AnyEnter", "UpState")}
    prefixed.bind(handlers, prefix="Foo")
    prefixed.add("FooUp")
    prefixed.add_err(ValueError())
    assert calls == ["AnyEnter", "FooUpState", "AnyState", "AnyEnter", "ExceptionState", "AnyState"]


def test_with_a_prefix_a_name_of_no_state_is_a_mistake(prefixed: am.Machine) -> None:
    with pytest.raises(am.HandlerError, match="NopeState"):
        prefixed.bind({"NopeState": lambda e: None}, prefix="Foo")
    with pytest.raises(am.HandlerError, match="Down"):
        prefixed.bind(Part(), prefix="Bar")


# -- keys -----------------------------------------------------------------------------------------

ROLES = {"enter": "Enter", "exit": "Exit", "state": "State", "end": "End"}


@pytest.mark.parametrize("role", ROLES)
def test_a_key_of_state_and_role_binds_that_handler(flat: Flat, role: str) -> None:
    calls: list[str] = []
    m = flat(handlers={("A", role): noting(calls)})
    m.add("A")
    m.remove("A")
    assert calls == [f"A{ROLES[role]}"]
    assert m.handler_names == (f"A{ROLES[role]}",)


def test_a_key_may_be_a_state_of_a_class() -> None:
    class Flow(am.States):
        Up = am.State()

    calls: list[str] = []
    am.Machine(Flow, handlers={(Flow.Up, "state"): noting(calls)}).add("Up")
    assert calls == ["UpState"]


def test_a_key_tells_apart_what_a_name_cannot() -> None:
    # "AddState" is the State handler of Add, and the pair of Add and State.
    m = am.Machine({"Add": {}, "State": {}})
    with pytest.raises(am.HandlerError, match="AddState"):
        m.bind({"AddState": lambda e: None})
    calls: list[str] = []
    bound = m.bind({("Add", "state"): noting(calls), ("State", "enter"): noting(calls)})
    m.add("Add")
    assert calls == ["AddState"]
    m.add("State")
    assert calls == ["AddState", "StateEnter"]
    assert m.handler_names == ("AddState", "StateEnter")
    bound.detach()
    m.set()
    m.add("Add")
    assert len(calls) == 2


def test_a_handler_bound_by_an_ambiguous_key_lives_on_over_growth() -> None:
    calls: list[str] = []
    m = am.Machine({"Add": {}, "State": {}}, handlers={("Add", "state"): noting(calls)})
    names = (*m.schema.names, "More")
    m.set_schema({name: m.schema.get(name, {}) for name in names}, names)
    m.add("Add", "More")
    assert calls == ["AddState"]


@pytest.mark.parametrize("traced", [True, False])
def test_an_ambiguous_key_is_called_and_explained_like_any_other(traced: bool) -> None:
    calls: list[str] = []
    m = am.Machine({"Add": {}, "State": {}}, tracers=[am.Tracer()] if traced else [])
    m.bind({("Add", "enter"): noting(calls), ("Add", "state"): noting(calls)})
    assert m.explain("Add").handlers == ("AddEnter", "AddState")
    m.add("Add")
    assert calls == ["AddEnter", "AddState"]


@pytest.mark.parametrize(
    "key", [("A", "nope"), ("A",), ("A", "enter", "B"), (5, "enter"), ("A", "B")]
)
def test_a_key_that_is_none_is_refused(flat: Flat, key: Any) -> None:
    with pytest.raises(am.HandlerError):
        flat().bind({key: lambda e: None})


def test_a_key_of_an_unknown_state_is_refused(flat: Flat) -> None:
    with pytest.raises((am.HandlerError, am.UnknownStateError), match="Nope"):
        flat().bind({("Nope", "enter"): lambda e: None})


def test_keys_take_a_prefix_too(prefixed: am.Machine) -> None:
    calls: list[str] = []
    prefixed.bind({("Up", "state"): noting(calls)}, prefix="Foo")
    prefixed.add("FooUp", "Up")
    assert calls == ["FooUpState"]


def test_an_async_function_by_a_key_is_a_task_or_refused_as_a_vote(flat: Flat) -> None:
    async def work(event: am.Event) -> None:
        """Only bound."""

    with pytest.raises(am.HandlerError, match="async"):
        flat().bind({("A", "enter"): work})
    assert flat().bind({("A", "state"): work}).handlers.keys() == {"AState"}


# -- keywords as an instance ----------------------------------------------------------------------


@dataclass
class Job:
    id: int
    name: str = "job"


def got(m: am.Machine, read: Callable[[am.Event], Any], **args: Any) -> Any:
    """What a handler of `A` reads of its event."""
    found: list[Any] = []

    def handle(event: am.Event) -> None:
        try:
            found.append(read(event))
        except am.ArgsError as exc:
            found.append(exc)

    m.bind({"AState": handle})
    m.add("A", **args)
    return found[0]


def test_args_as_is_the_instance_that_args_is(flat: Flat) -> None:
    m = am.Machine({"A": {"args": Job}})
    same = got(m, lambda e: e.args_as(Job) is e.args, id=5)
    assert same is True


def test_args_as_builds_an_instance_from_the_mapping(flat: Flat) -> None:
    assert got(flat(), lambda e: e.args_as(Job), id=5) == Job(5)


def test_args_as_takes_only_the_fields_it_knows(flat: Flat) -> None:
    assert got(flat(), lambda e: e.args_as(Job), id=5, other=1) == Job(5)


def test_args_as_another_class_than_the_declared_is_built_from_the_keywords() -> None:
    @dataclass
    class Short:
        id: int

    assert got(am.Machine({"A": {"args": Job}}), lambda e: e.args_as(Short), id=5) == Short(5)


def test_args_as_without_a_required_field_raises(flat: Flat) -> None:
    error = got(flat(), lambda e: e.args_as(Job), name="x")
    assert isinstance(error, am.ArgsError)
    assert "id" in str(error)
    assert "Job" in str(error)


def test_args_as_tells_what_a_class_refuses(flat: Flat) -> None:
    @dataclass
    class Positive:
        id: int

        def __post_init__(self) -> None:
            if self.id < 0:
                raise ValueError("negative")

    error = got(flat(), lambda e: e.args_as(Positive), id=-1)
    assert isinstance(error, am.ArgsError)
    assert "negative" in str(error)


def test_args_as_works_in_handlers_that_get_the_mapping() -> None:
    found: list[Any] = []
    m = am.Machine({"A": {"args": Job}}, handlers={"AEnd": lambda e: found.append(e.args_as(Job))})
    m.add("A", id=1)
    m.remove("A", id=2)
    assert found == [Job(2)]


# -- args classes ---------------------------------------------------------------------------------


@dataclass
class Seeded:
    seed: InitVar[int]
    value: int = 0

    def __post_init__(self, seed: int) -> None:
        self.value = seed * 2


def test_an_init_only_field_is_a_keyword_like_any_other() -> None:
    m = am.Machine({"A": {"args": Seeded}})
    assert got(m, lambda e: e.args.value, seed=4) == 8
    with pytest.raises(am.ArgsError, match="seed"):
        m.add("A")


# -- what the machine itself reports --------------------------------------------------------------


@dataclass
class ErrorArgs:
    """Knows nothing of `err`, `panic` and `task`, and needs what the machine cannot give."""

    where: str


TYPED: dict[str, Any] = {"Exception": {"multi": True, "args": ErrorArgs}, "A": {}, "B": {}}


@pytest.mark.usefixtures("log")
def test_an_error_of_a_handler_passes_the_args_class_of_exception() -> None:
    m = am.Machine(TYPED, handlers={"AState": lambda e: 1 / 0})
    assert m.add("A") is am.CANCELED
    assert (m.is_err, type(m.err)) == (True, ZeroDivisionError)


@pytest.mark.trio
@pytest.mark.usefixtures("log")
async def test_an_error_of_a_task_passes_the_args_class_of_exception() -> None:
    async def work() -> None:
        raise LookupError("lost?")

    async with am.Machine(TYPED) as m:
        m.fork(work)
        await trio.testing.wait_all_tasks_blocked()
        assert (m.is_err, str(m.err)) == (True, "lost?")


@pytest.mark.usefixtures("log")
def test_an_error_of_a_predicate_passes_the_args_class_of_exception() -> None:
    m = am.Machine(TYPED)
    wait = m.when_query(lambda clock: clock["A"] and 1 / 0)
    assert m.add("A") is am.EXECUTED
    assert (m.is_err, wait.done, m.is_("A")) == (True, True, True)


@pytest.mark.usefixtures("log")
def test_handlers_of_such_an_error_get_the_mapping() -> None:
    seen: list[Any] = []
    m = am.Machine(TYPED, handlers={"ExceptionState": lambda e: seen.append(e.args)})
    m.bind({"AState": lambda e: 1 / 0})
    m.add("A")
    assert type(seen[0]["err"]) is ZeroDivisionError
    assert seen[0]["panic"].handler == "AState"


@pytest.mark.parametrize("key", ["err", "panic", "task"])
def test_a_user_may_not_pass_the_keys_of_the_machine(key: str) -> None:
    m = am.Machine({"A": {"args": Job}})
    with pytest.raises(am.ArgsError, match=key):
        m.add("A", id=1, **{key: ValueError()})


@pytest.mark.parametrize("wrong", [5, ValueError, "Nope", object()])
def test_add_err_takes_exceptions_only(flat: Flat, wrong: Any) -> None:
    m = flat()
    with pytest.raises((TypeError, am.UnknownStateError)):
        m.add_err(wrong, *([ValueError()] if wrong == "Nope" else []))
    assert (m.is_err, m.err, m.queue_tick) == (False, None, 1)
