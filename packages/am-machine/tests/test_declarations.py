"""Declarations are never dropped in silence: what declares nothing is refused with advice."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from enum import Enum
from typing import Any
from unittest.mock import create_autospec

import pytest

import am_machine as am

Flat = Callable[..., am.Machine]


def test_a_state_without_parentheses_is_refused_with_its_line() -> None:
    with pytest.raises(
        am.SchemaError, match=r"Bad\.A .*test_declarations\.py, line \d+.*State\(\)"
    ):

        class Bad(am.States):
            A = am.State


def test_text_instead_of_a_state_is_refused_with_its_line() -> None:
    with pytest.raises(am.SchemaError, match=r"Bad\.C .*test_declarations\.py, line \d+"):

        class Bad(am.States):
            C = "C"


def test_a_dict_instead_of_a_state_is_refused_with_its_line() -> None:
    with pytest.raises(am.SchemaError, match=r"Bad\.A .*test_declarations\.py, line \d+"):

        class Bad(am.States):
            A = {"auto": True}  # noqa: RUF012 - that is the mistake


def test_other_attributes_of_a_body_are_left_alone() -> None:
    class Good(am.States):
        A = am.State()
        _prefix = "Foo"
        limit = 3
        title = "the good ones"

        @classmethod
        def helper(cls) -> str:
            return cls.title

    assert Good.names() == ("A", "Exception")
    assert Good.helper() == "the good ones"


def test_a_state_set_on_a_class_afterwards_is_refused() -> None:
    class Good(am.States):
        A = am.State()

    with pytest.raises(am.SchemaError, match="body"):
        Good.B = am.State()
    with pytest.raises(am.SchemaError, match="body"):
        Good.A = "other"  # type: ignore[assignment]


class Handlers:
    def AState(self, event: am.Event) -> None:
        """One handler."""


class Empty:
    def on_a(self, event: am.Event) -> None:
        """No handler by its name."""


def test_a_schema_may_be_mixed_with_an_abstract_class() -> None:
    class Named(ABC):
        @abstractmethod
        def title(self) -> str: ...

    class Page(am.States, Named):
        Shown = am.State()

    assert Page.names() == ("Shown", "Exception")


def test_stand_ins_made_for_a_test_are_bound_like_what_they_stand_for(flat: Flat) -> None:
    class Handlers:
        def AEnter(self, event: am.Event) -> bool:
            return True

        def AState(self, event: am.Event) -> None: ...

    stand_in = create_autospec(Handlers, instance=True)
    m = flat()
    m.bind(stand_in)
    assert set(m.handler_names) == {"AEnter", "AState"}
    stand_in.AEnter.return_value = False
    stand_in.AState.return_value = None
    assert m.add("A") is am.CANCELED
    stand_in.AEnter.return_value = None
    assert m.add("A") is am.EXECUTED
    stand_in.AState.assert_called_once()


def test_a_stand_in_of_an_async_handler_is_a_task_and_never_a_vote(flat: Flat) -> None:
    class Handlers:
        async def AState(self, event: am.Event) -> None: ...

    class Votes:
        async def AEnter(self, event: am.Event) -> None: ...

    flat().bind(create_autospec(Handlers, instance=True))
    with pytest.raises(am.HandlerError, match="cannot be async"):
        flat().bind(create_autospec(Votes, instance=True))


def test_a_class_instead_of_an_instance_is_refused(flat: Flat) -> None:
    with pytest.raises(am.HandlerError, match=r"Handlers\(\)"):
        flat(handlers=Handlers)


def test_an_object_without_any_handler_is_refused(flat: Flat) -> None:
    with pytest.raises(am.HandlerError, match="Empty has no handler"):
        flat(handlers=Empty())


def test_an_object_without_any_handler_is_bound_if_not_strict(flat: Flat) -> None:
    assert flat().bind(Empty(), strict=False).handlers == {}


def test_an_empty_mapping_is_bound(flat: Flat) -> None:
    # Whoever builds one knows what is in it.
    assert flat().bind({}).handlers == {}


def test_methods_of_a_machine_that_are_named_like_handlers_are_refused() -> None:
    class Mine(am.Machine):
        def AState(self, event: am.Event) -> None:
            """Would never be called."""

    with pytest.raises(am.HandlerError, match=r"Mine\.AState"):
        Mine({"A": {}})


def test_methods_of_a_machine_that_look_like_handlers_of_no_state_are_refused() -> None:
    class Mine(am.Machine):
        def NopeEnter(self, event: am.Event) -> None:
            """Would never be called."""

    with pytest.raises(am.HandlerError, match=r"Mine\.NopeEnter"):
        Mine({"A": {}})


def test_other_methods_of_a_machine_are_left_alone() -> None:
    class Mine(am.Machine):
        def start(self) -> am.Result:
            return self.add("A")

        def Describe(self) -> str:
            return str(self)

    m = Mine({"A": {}})
    assert m.start() is am.EXECUTED
    assert m.Describe() == "(A:1)"


# -- names that are members of an enum ------------------------------------------------------------


class Names(str, Enum):  # noqa: UP042 - the kind that prints as `Names.FOO`
    FOO = "Foo"
    BAR = "Bar"


def schema() -> dict[str, Any]:
    return {
        Names.FOO: {"remove": [Names.FOO, Names.BAR]},
        Names.BAR: {"require": [Names.FOO], "after": [Names.FOO]},
    }


def test_names_that_are_enum_members_are_their_values() -> None:
    m = am.Machine({Names.FOO: {}, Names.BAR: {}})
    assert m.schema.names == ("Foo", "Bar", "Exception")
    assert [type(name) for name in m.schema.names] == [str] * 3
    m.add(Names.BAR)
    assert str(m) == "(Bar:1)"
    assert m.is_("Bar")
    assert m.is_(Names.BAR)
    assert m.active == ("Bar",)


def test_a_state_given_as_an_enum_member_is_taken_from_its_own_remove() -> None:
    compiled = am.compile_schema({Names.FOO: {"remove": [Names.FOO]}})
    assert compiled["Foo"].remove == ()


def test_relations_given_as_enum_members_are_those_of_the_names() -> None:
    compiled = am.compile_schema({Names.FOO: {"remove": [Names.BAR]}, Names.BAR: {}})
    assert compiled["Foo"].remove == ("Bar",)
    m = am.Machine(compiled)
    m.add(Names.BAR)
    m.add(Names.FOO)
    assert m.active == ("Foo",)


@pytest.mark.parametrize("kind", ["add", "remove", "set", "toggle", "can_add"])
def test_mutations_take_enum_members(kind: str) -> None:
    m = am.Machine({Names.FOO: {}})
    assert getattr(m, kind)(Names.FOO) is am.EXECUTED


# -- unknown states -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "nearest"),
    [("Conected", "Connected"), ("connected", "Connected"), ("Connectedd", "Connected"),
     ("Zzz", None), (5, None)],
)  # fmt: skip
def test_the_error_of_an_unknown_state_suggests_the_nearest(
    given: Any, nearest: str | None
) -> None:
    m = am.Machine({"Connected": {}, "Ready": {}})
    with pytest.raises(am.UnknownStateError) as caught:
        m.add(given)
    assert caught.value.nearest == nearest
    assert caught.value.state == given
    assert (f"did you mean {nearest}" in str(caught.value)) is (nearest is not None)
