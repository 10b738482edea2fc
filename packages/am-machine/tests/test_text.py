"""The text forms of a machine, byte for byte."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio

import am_machine as am

Flat = Callable[..., am.Machine]


@pytest.fixture
def rich() -> am.Machine:
    """A machine with every property that `inspect` shows."""
    m = am.Machine(
        {
            "Foo": {"auto": True, "add": ["Bar", "Baz"], "require": ["Qux"]},
            "Bar": {"multi": True, "remove": ["Baz"], "after": ["Foo", "Qux"]},
            "Baz": {},
            "Qux": {},
        },
        id="file1",
    )
    m.add("Qux")
    return m


def test_str_shows_the_active_states_in_index_order(flat: Flat) -> None:
    m = flat("Foo Bar Baz")
    assert str(m) == "()"
    m.add("Baz")
    m.add("Foo")
    assert str(m) == "(Foo:1 Baz:1)"
    m.remove("Foo")
    m.add("Foo")
    assert str(m) == "(Foo:3 Baz:1)"


def test_string_all_shows_every_state_in_two_brackets(flat: Flat) -> None:
    m = flat("Foo Bar")
    assert m.string_all() == "() [Foo:0 Bar:0 Exception:0]"
    m.add("Foo")
    assert m.string_all() == "(Foo:1) [Bar:0 Exception:0]"
    m.add("Bar", "Exception")
    assert m.string_all() == "(Foo:1 Bar:1 Exception:1) []"


def test_repr_names_the_machine_and_its_active_states(flat: Flat) -> None:
    m = flat("Foo Bar", id="file1")
    assert repr(m) == "<Machine file1 ()>"
    m.add("Foo")
    assert repr(m) == "<Machine file1 (Foo:1)>"


def test_inspect_shows_every_state_with_what_it_has(rich: am.Machine) -> None:
    assert rich.inspect() == (
        "1 Foo\n"
        "    |Tick     1\n"
        "    |Auto     true\n"
        "    |Add      Bar Baz\n"
        "    |Require  Qux\n"
        "1 Bar\n"
        "    |Tick     1\n"
        "    |Multi    true\n"
        "    |Remove   Baz\n"
        "    |After    Foo Qux\n"
        "0 Baz\n"
        "    |Tick     0\n"
        "1 Qux\n"
        "    |Tick     1\n"
        "0 Exception\n"
        "    |Tick     0\n"
        "    |Multi    true\n"
    )


def test_inspect_shows_the_states_asked_for_in_that_order(rich: am.Machine) -> None:
    assert rich.inspect("Qux", "Baz") == "1 Qux\n    |Tick     1\n0 Baz\n    |Tick     0\n"


def test_inspect_of_an_unknown_state_is_refused(rich: am.Machine) -> None:
    with pytest.raises(am.UnknownStateError):
        rich.inspect("Nope")


def test_results_are_words(flat: Flat) -> None:
    seen: list[am.Result] = []
    m = flat(handlers={"AState": lambda e: seen.append(e.machine.add("B"))})
    assert str(m.add("A")) == "executed"
    assert str(am.CANCELED) == "canceled"
    assert str(seen[0]) == "queued"


def test_ids_are_sixteen_hex_digits_unless_given(flat: Flat) -> None:
    ids = {flat().id for _ in range(20)}
    assert len(ids) == 20
    assert all(len(one) == 16 and set(one) <= set("0123456789abcdef") for one in ids)
    assert flat(id="file1").id == "file1"


def test_a_transition_id_is_sixteen_hex_digits(flat: Flat) -> None:
    ids: list[str] = []
    m = flat("A", multi="A", handlers={"AState": lambda e: ids.append(e.transition.id)})
    for _ in range(20):
        m.add("A")
    assert len(set(ids)) == 20
    assert all(len(one) == 16 and set(one) <= set("0123456789abcdef") for one in ids)


@pytest.mark.trio
async def test_each_object_says_what_it_is(flat: Flat) -> None:
    told: dict[str, str] = {}

    async def sleep() -> None:
        await trio.sleep_forever()

    def a_state(event: am.Event) -> None:
        told.update(event=repr(event), transition=repr(event.transition), id=event.transition.id)
        told.update(mutation=repr(event.mutation))

    m = flat(id="m")
    binding = m.bind({"AState": a_state}, name="mine")
    async with m:
        m.add("A")
        fork = m.fork(sleep)
        ctx = m.state_ctx("A")
        assert (repr(ctx), repr(binding)) == ("<StateContext A:1 current>", "<Binding 0:mine>")
        assert repr(fork) == f"<Fork {sleep.__qualname__} running>"
    assert repr(ctx) == "<StateContext A:1 expired>"
    assert repr(fork).endswith(" done>")
    assert told["event"] == "<Event AState of <Machine m (A:1)>>"
    assert told["transition"] == f"<Transition {told['id']} [add] A>"
    assert "A" in told["mutation"]
    assert repr(m.schema) == "<Schema of 5 states>"
    assert repr(m.when("A")).startswith("<Wait A")
