"""Arguments of mutations: plain keywords, and args classes that states declare."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

import am_machine as am

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class WorkArgs:
    input: int
    label: str = "none"
    notes: list[str] = field(default_factory=list)
    computed: int = field(init=False, default=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class SendArgs:
    to: str
    label: str = "nobody"


class Jobs(am.States):
    Work = am.State(multi=True, args=WorkArgs)
    Send = am.State(args=SendArgs)
    Plain = am.State()
    Implied = am.State(args=WorkArgs)
    Implies = am.State(add=[Implied])


class Defaults(am.States):
    Plain = am.State()

    @dataclass
    class Args:
        count: int = 3

    Follows = am.State(auto=True, args=Args)
    Wants = am.State(auto=True, args=WorkArgs)


class Seen:
    """Notes the args that each handler got."""

    def __init__(self) -> None:
        self.args: dict[str, Any] = {}

    def bound(self, *names: str) -> dict[str, Callable[[am.Event], None]]:
        return dict.fromkeys(names, self.note)

    def note(self, event: am.Event) -> None:
        self.args[event.name] = event.args


def test_plain_args_are_a_mapping_of_the_keywords() -> None:
    seen = Seen()
    machine = am.Machine(Jobs, handlers=seen.bound("PlainEnter", "PlainState", "AnyState"))
    machine.add("Plain", a=1, b=[2])
    assert dict(seen.args["PlainEnter"]) == {"a": 1, "b": [2]}
    with pytest.raises(TypeError):
        seen.args["PlainState"]["c"] = 3
    machine.remove("Plain")
    assert dict(seen.args["AnyState"]) == {}


def test_handlers_of_a_called_state_get_an_instance_of_its_class() -> None:
    seen = Seen()
    machine = am.Machine(Jobs, handlers=seen.bound("WorkEnter", "WorkState", "WorkWork"))
    machine.add("Work", input=1, notes=["x"])
    machine.add("Work", input=2)
    assert seen.args == {
        "WorkEnter": WorkArgs(2), "WorkState": WorkArgs(2), "WorkWork": WorkArgs(2),
    }  # fmt: skip
    assert seen.args["WorkState"].notes == []


def test_where_required_fields_are_missing_handlers_get_the_mapping() -> None:
    seen, error = Seen(), ValueError("boom")
    schema = {"Exception": {"multi": True, "args": SendArgs}} | dict(Defaults.schema())

    def fail(event: am.Event) -> None:
        raise error

    machine = am.Machine(schema, handlers=seen.bound("WantsEnter", "WantsState", "ExceptionState"))
    machine.add("Plain")
    assert machine.is_("Wants")
    assert dict(seen.args["WantsEnter"]) == dict(seen.args["WantsState"]) == {}
    machine.bind({"PlainEnd": fail})
    machine.remove("Plain")
    assert seen.args["ExceptionState"]["err"] is error


@pytest.mark.parametrize("traced", [False, True])
def test_without_keywords_the_instance_holds_the_defaults(recorder: Any, traced: bool) -> None:
    seen = Seen()
    machine = am.Machine(
        {"Count": {"args": Defaults.Args, "multi": True}}, tracers=[recorder] * traced
    )
    machine.bind(seen.bound("CountEnter", "CountCount", "CountState"))
    machine.add("Count")
    machine.add("Count")
    names = ("CountEnter", "CountCount", "CountState")
    assert seen.args == dict.fromkeys(names, Defaults.Args(3))


def test_other_handlers_get_the_mapping() -> None:
    seen = Seen()
    machine = am.Machine(Jobs)
    machine.add("Plain")
    others = ["PlainExit", "PlainWork", "AnyEnter", "PlainEnd", "AnyState"]
    machine.bind(seen.bound(*others))
    machine.set("Work", input=1)
    assert {name: dict(seen.args[name]) for name in others} == {n: {"input": 1} for n in others}


def test_exit_handlers_get_the_mapping_even_of_a_state_with_a_class() -> None:
    seen = Seen()
    machine = am.Machine(Jobs, handlers=seen.bound("WorkExit", "WorkEnd"))
    machine.add("Work", input=1)
    machine.remove("Work", anything="goes")
    for name in ("WorkExit", "WorkEnd"):
        assert dict(seen.args[name]) == {"anything": "goes"}
    machine.add("Work", input=1)
    machine.set()
    assert dict(seen.args["WorkEnd"]) == {}


def test_a_remove_gives_no_instance_though_the_state_has_a_self_or_enter_handler() -> None:
    schema = {
        "A": {"multi": True, "add": ["B"]},
        "B": {"args": WorkArgs},
        "C": {},
    }
    seen = Seen()
    machine = am.Machine(schema, handlers=seen.bound("BEnter", "BState"))
    machine.add("A")
    machine.remove("B", input="not checked")
    assert dict(seen.args["BState"]) == {}
    machine.add("C")
    machine.remove("C", why="b comes back")
    assert not machine.is_("C")


def test_states_that_are_only_implied_get_the_mapping() -> None:
    seen = Seen()
    machine = am.Machine(Jobs, handlers=seen.bound("ImpliedEnter", "ImpliedState"))
    machine.add("Implies", input=1)
    for name in ("ImpliedEnter", "ImpliedState"):
        assert dict(seen.args[name]) == {"input": 1}


def test_several_called_states_share_the_keywords_and_each_gets_its_own_instance() -> None:
    seen = Seen()
    machine = am.Machine(Jobs, handlers=seen.bound("WorkState", "SendState"))
    machine.add("Work", "Send", input=1, to="you", label="both")
    assert seen.args == {
        "WorkState": WorkArgs(1, "both"),
        "SendState": SendArgs(to="you", label="both"),
    }


def test_a_typed_and_a_plain_state_called_together_are_checked_by_the_class() -> None:
    machine = am.Machine(Jobs)
    with pytest.raises(am.ArgsError):
        machine.add("Plain", "Work", input=1, other=2)
    assert machine.add("Plain", "Work", input=1) is am.EXECUTED


@pytest.mark.parametrize(
    "call",
    [
        lambda m: m.add("Work"),
        lambda m: m.add("Work", label="x"),
        lambda m: m.add("Work", input=1, wrong=2),
        lambda m: m.add("Work", input=1, computed=2),
        lambda m: m.add("Work", "Send", input=1),
        lambda m: m.add("Send", to="you", input=1),
        lambda m: m.set("Work", inputs=1),
        lambda m: m.toggle("Work"),
        lambda m: m.can_add("Work"),
        lambda m: m.can_add("Work", input=1, wrong=1),
    ],
)
def test_bad_args_raise_at_the_call_before_anything_is_queued(call: Any, recorder: Any) -> None:
    machine = am.Machine(Jobs, tracers=[recorder])
    with pytest.raises(am.ArgsError):
        call(machine)
    assert recorder.mutations == []
    assert machine.queue_tick == 1
    assert machine.add("Work", input=1) is am.EXECUTED


def test_the_error_is_a_type_error_that_names_what_is_wrong() -> None:
    machine = am.Machine(Jobs)
    with pytest.raises(TypeError, match="input"):
        machine.add("Work")
    with pytest.raises(TypeError, match="wrong"):
        machine.add("Work", input=1, wrong=2)


def test_an_unknown_state_is_reported_before_bad_args() -> None:
    with pytest.raises(am.UnknownStateError):
        am.Machine(Jobs).add("Nope", "Work")


def test_values_are_not_checked() -> None:
    seen = Seen()
    machine = am.Machine(Jobs, handlers=seen.bound("WorkState"))
    machine.add("Work", input="not a number")
    assert seen.args["WorkState"].input == "not a number"


def test_remove_checks_nothing() -> None:
    machine = am.Machine(Jobs)
    machine.add("Work", input=1)
    assert machine.can_remove("Work", what="ever") is am.EXECUTED
    assert machine.toggle("Work", what="ever") is am.EXECUTED
    assert not machine.is_("Work")


def test_the_error_of_add_err_passes_args_classes() -> None:
    error = RuntimeError("e")
    seen = Seen()
    schema = {
        "Exception": {"multi": True},
        "ErrSend": {"args": SendArgs},
    }
    machine = am.Machine(schema, handlers=seen.bound("ErrSendState", "ExceptionState"))
    assert machine.add_err("ErrSend", error, to="you") is am.EXECUTED
    assert seen.args["ErrSendState"] == SendArgs(to="you")
    assert dict(seen.args["ExceptionState"]) == {"to": "you", "err": error}


def test_add_err_needs_the_required_fields_as_any_add_does() -> None:
    machine = am.Machine({"ErrSend": {"args": SendArgs}})
    with pytest.raises(am.ArgsError):
        machine.add_err("ErrSend", RuntimeError("e"))


def test_a_class_that_wants_err_gets_it() -> None:
    @dataclass
    class ErrArgs:
        err: BaseException

    seen, error = Seen(), RuntimeError("e")
    schema = {"Exception": {"multi": True, "args": ErrArgs}}
    machine = am.Machine(schema, handlers=seen.bound("ExceptionState"))
    machine.add_err(error)
    assert seen.args["ExceptionState"] == ErrArgs(error)


def test_an_auto_mutation_has_no_args_and_is_not_checked() -> None:
    seen = Seen()
    machine = am.Machine(Defaults, handlers=seen.bound("FollowsEnter", "FollowsState"))
    assert machine.add("Plain", some="thing") is am.EXECUTED
    assert machine.is_("Follows", "Wants")
    assert seen.args["FollowsEnter"] == seen.args["FollowsState"] == Defaults.Args(3)


def test_the_instance_is_made_once_per_mutation() -> None:
    got: list[Any] = []
    machine = am.Machine(Jobs)
    names = ["WorkEnter", "WorkState"]
    machine.bind({n: lambda e: got.append(e.args) for n in names})
    machine.add("Work", input=1)
    assert got[0] is got[1]


def test_the_mutation_keeps_the_keywords_as_given(recorder: Any) -> None:
    machine = am.Machine(Jobs, tracers=[recorder])
    machine.add("Work", input=1)
    assert dict(recorder.mutations[0].args) == {"input": 1}


def test_when_args_matches_keywords_of_a_typed_state() -> None:
    machine = am.Machine(Jobs)
    wait, other = machine.when_args("Work", input=2), machine.when_args("Work", label="none")
    machine.add("Work", input=1)
    assert not wait.done
    machine.add("Work", input=2)
    assert wait.done
    assert not other.done, "a default that was not given is no keyword of the mutation"


ANY_NAME: dict[str, Any] = {
    "self": 1, "states": 2, "state": 3, "kind": 4, "args": 5, "name": 6, "error": 7, "exc": 8,
    "machine": 9, "mutation": 10, "called": 11, "is_check": 12, "is_auto": 13, "source": 14,
}  # fmt: skip


@pytest.mark.parametrize("kind", ["add", "set", "remove", "toggle", "can_add", "can_remove"])
@pytest.mark.parametrize("traced", [False, True])
def test_args_may_have_any_name(recorder: Any, kind: str, traced: bool) -> None:
    machine, seen = am.Machine({"A": {}}, tracers=[recorder] * traced), Seen()
    machine.bind(seen.bound("AnyEnter"))
    wait = machine.when_args("A", **ANY_NAME)
    getattr(machine, kind)("A", **ANY_NAME)
    assert dict(seen.args["AnyEnter"]) == ANY_NAME
    assert wait.done is machine.is_("A")


def test_args_of_an_error_and_of_an_event_may_have_any_name() -> None:
    machine, seen = am.Machine({"A": {}}), Seen()
    machine.bind({"AState": lambda e: e.add("A", **ANY_NAME)})
    machine.bind(seen.bound("ExceptionState", "AA"))
    machine.add("A")
    assert dict(seen.args["AA"]) == ANY_NAME
    error = ValueError("e")
    machine.add_err(error, **ANY_NAME)
    assert dict(seen.args["ExceptionState"]) == ANY_NAME | {"err": error}


@pytest.mark.trio
async def test_args_of_an_awaited_check_may_have_any_name() -> None:
    machine = am.Machine({"A": {}})
    assert await machine.check_add("A", **ANY_NAME) is am.EXECUTED
    assert await machine.check_remove("A", **ANY_NAME) is am.EXECUTED


class Incomparable:
    """A value, such as an array, that cannot say whether it equals another."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise TypeError("ambiguous")


@pytest.mark.parametrize("handled", [False, True])
@pytest.mark.parametrize("traced", [False, True])
def test_args_that_cannot_be_compared_disturb_no_transition(
    recorder: Any, handled: bool, traced: bool
) -> None:
    machine = am.Machine({"A": {}, "B": {}}, tracers=[recorder] * traced)
    if handled:
        machine.bind({"AState": lambda e: None})
    wait, other = machine.when_args("A", data=Incomparable()), machine.when_args("A", data=1)
    assert machine.add("A", data=1) is am.EXECUTED
    assert machine.is_("A")
    assert other.done
    assert repr(wait).endswith(" ended>"), "as a query that raises"
    assert isinstance(machine.err, TypeError)
    assert machine.is_err
    assert machine.add("B") is am.EXECUTED


def test_inherited_args_stay_unless_replaced() -> None:
    class More(Jobs):
        Work = Jobs.Work.extend(require=["Plain"])
        Send = Jobs.Send.extend(args=WorkArgs)

    machine = am.Machine(More)
    with pytest.raises(am.ArgsError):
        machine.add("Work", "Plain")
    assert machine.add("Send", input=1) is am.EXECUTED
