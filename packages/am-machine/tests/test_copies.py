"""What can be copied and pickled, and what refuses it with advice."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

import am_machine as am

Flat = Callable[..., am.Machine]

COPY: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": pickle.dumps,
    "pickle, protocol 0": lambda m: pickle.dumps(m, 0),
}


@pytest.mark.parametrize("how", COPY)
@pytest.mark.parametrize("cls", [am.Machine, am.BaseMachine])
def test_a_machine_refuses_to_be_copied_and_names_export(cls: type, how: str) -> None:
    m = cls({"A": {}}, id="m1")
    with pytest.raises(TypeError, match=r"m1 .*export\(\).*restore"):
        COPY[how](m)


ERRORS = [
    am.SchemaError("one", "two"),
    am.UnknownStateError("Conected", "machine m", "Connected"),
    am.UnknownStateError("Nope"),
    am.ArgsError("unknown args x"),
    am.HandlerError("AEnter is a generator"),
    am.HandlerTimeoutError("AState", "Handlers", 1.5),
    am.NotOpenError("machine m is not open"),
    am.QueueLoopError(100, ("A", "B")),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
def test_an_error_pickles_with_text_and_attributes(error: am.Error) -> None:
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert again.__dict__ == error.__dict__


def test_an_unknown_state_error_of_a_machine_pickles_without_the_machine(flat: Flat) -> None:
    with pytest.raises(am.UnknownStateError) as caught:
        flat("Connected", id="m1").add("Conected")
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)
    assert again.nearest == "Connected"


class Flow(am.States):
    A = am.State(auto=True, tags=["t"], doc="words")
    B = am.State(multi=True, require=[A], add=["A"], after=[A])


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_a_state_keeps_its_properties(how: Callable[[am.State], am.State]) -> None:
    for state in (Flow.A, Flow.B):
        again = how(state)
        assert again == state
        for name in ("auto", "multi", "require", "add", "remove", "after", "tags", "doc"):
            assert getattr(again, name) == getattr(state, name)


# -- snapshots made by hand -----------------------------------------------------------------------


def snapshot(**changes: Any) -> am.Snapshot:
    whole: dict[str, Any] = {
        "id": "m", "state_names": ("A", "B", "Exception"), "time": (1, 2, 0), "queue_tick": 4,
        "machine_tick": 0,
    }  # fmt: skip
    return am.Snapshot(**{**whole, **changes})


WRONG: dict[str, dict[str, Any]] = {
    "too few ticks": {"time": (1, 2)},
    "too many ticks": {"time": (1, 2, 0, 0)},
    "a name twice": {"state_names": ("A", "A", "Exception")},
    "a negative tick": {"time": (1, -2, 0)},
    "a tick that is no number": {"time": (1, "2", 0)},
    "a bool for a tick": {"time": (True, 2, 0)},
    "a name that is no text": {"state_names": ("A", 5, "Exception")},
    "a negative queue tick": {"queue_tick": -1},
    "a machine tick that is no number": {"machine_tick": None},
    "an id that is no text": {"id": 7},
}


@pytest.mark.parametrize("what", WRONG)
def test_a_snapshot_made_by_hand_is_checked(what: str) -> None:
    with pytest.raises(am.SchemaError, match="not a snapshot"):
        am.Machine.restore(snapshot(**WRONG[what]), {"A": {}, "B": {}})


@pytest.mark.parametrize("what", ["too few ticks", "a name twice", "a negative tick"])
def test_a_snapshot_from_a_dict_is_checked(what: str) -> None:
    with pytest.raises(am.SchemaError, match="not a snapshot"):
        am.Snapshot.from_dict(snapshot(**WRONG[what]).to_dict())


def test_a_good_snapshot_made_by_hand_is_restored() -> None:
    m = am.Machine.restore(snapshot(), {"A": {}, "B": {}})
    assert m.time() == (1, 2, 0)
    assert m.active == ("A",)


# -- growth is all or nothing ---------------------------------------------------------------------


def test_growth_that_makes_a_bound_name_ambiguous_changes_nothing() -> None:
    calls: list[str] = []
    m = am.Machine({"Foo": {}, "FooBar": {}})
    m.bind({"FooFooBar": lambda e: calls.append(e.name)})
    m.add("Foo")
    before, schema, tracers = m.export(), m.schema, m.tracers
    names = (*m.schema.names, "FooFoo", "Bar")
    with pytest.raises(am.HandlerError, match="FooFooBar"):
        m.set_schema({name: m.schema.get(name, {}) for name in names}, names)
    assert m.export() == before
    assert (m.schema, m.tracers) == (schema, tracers)
    m.add("FooBar")
    assert calls == ["FooFooBar"]


def test_growth_after_a_refused_growth_works() -> None:
    m = am.Machine({"Foo": {}, "FooBar": {}})
    m.bind({"FooFooBar": lambda e: True})
    names = (*m.schema.names, "FooFoo", "Bar")
    with pytest.raises(am.HandlerError):
        m.set_schema({name: m.schema.get(name, {}) for name in names}, names)
    names = (*m.schema.names, "Fine")
    m.set_schema({name: m.schema.get(name, {}) for name in names}, names)
    assert m.add("Fine", "Foo") is am.EXECUTED
