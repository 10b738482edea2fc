"""The history of places."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from am_debugger._core.places import MOST_PLACES, Place, Places

PLACES = st.builds(Place, st.integers(1, 3), st.integers(0, 4))
STEPS = st.lists(
    PLACES.map(lambda place: ("visit", place))
    | st.sampled_from([("back", None), ("forward", None), ("previous", None), ("next", None)])
    | st.integers(1, 3).map(lambda serial: ("forget", serial)),
    max_size=60,
)


@given(STEPS)
def test_the_current_place_is_always_one_of_those_kept(steps: list[tuple[str, object]]) -> None:
    places = Places()
    for what, value in steps:
        before, current = places.all, places.current
        match what, value:
            case "visit", Place() as place:
                places.visit(place)
                assert places.current == place
                assert places.all[-1] == place
            case "back", _:
                found = places.back()
                assert found is None or found == places.current
            case "forward", _:
                found = places.forward()
                assert found is None or found == places.current
            case "previous", _:
                found = places.previous_machine()
                assert found is None or (current and found.serial != current.serial)
            case "next", _:
                found = places.next_machine()
                assert found is None or (current and found.serial != current.serial)
            case "forget", int() as serial:
                places.forget(serial)
                assert places.all == tuple(p for p in before if p.serial != serial)
        assert (places.current in places.all) if places.all else places.current is None


def test_of_a_run_at_one_machine_the_first_and_the_last_are_kept() -> None:
    places = Places()
    for number in range(9):
        places.visit(Place(1, number))
    places.visit(Place(2, 0))
    places.visit(Place(1, 3))
    assert [(p.serial, p.number) for p in places.all] == [(1, 0), (1, 8), (2, 0), (1, 3)]


def test_no_more_places_than_the_most_are_kept() -> None:
    places = Places()
    for number in range(2 * MOST_PLACES):
        places.visit(Place(number % 2, number))
    assert len(places) == MOST_PLACES
    assert places.current == Place(1, 2 * MOST_PLACES - 1)
