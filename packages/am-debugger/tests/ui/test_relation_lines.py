"""Lines that join rows: characters by position."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from am_debugger._ui.relation_lines import MOST_LANES, Column, Join


def drawn(column: Column, rows: int) -> list[str]:
    return ["".join([cell for cell, _ in column.row(k)]) for k in range(rows)]


def test_a_line_goes_from_its_source_to_an_arrow_at_its_target() -> None:
    assert drawn(Column([Join(0, 2)]), 3) == ["─╮", " │", "◀╯"]


def test_the_last_line_is_drawn_double() -> None:
    assert drawn(Column([Join(2, 0, is_last=True)]), 3) == ["◀╗", " ║", "═╝"]


def test_lines_that_overlap_lie_side_by_side_and_others_share_a_lane() -> None:
    assert Column([Join(0, 2), Join(1, 3)]).width == 3
    assert Column([Join(0, 1), Join(2, 3)]).width == 2


def test_nothing_to_join_takes_no_room() -> None:
    assert Column([]).width == 0
    assert Column([]).row(3) == []


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=30))
def test_rows_are_as_wide_as_the_column_and_the_last_line_is_there(
    pairs: list[tuple[int, int]],
) -> None:
    joins = [Join(a, b) for a, b in pairs]
    if joins:
        joins[-1] = joins[-1]._replace(is_last=True)
    column = Column(joins)
    assert column.width <= MOST_LANES + 1
    for position in range(21):
        assert len(column.row(position)) == column.width
    if joins:
        assert column.row(joins[-1].target)[0][0] == "◀"
        assert any(is_last for _, is_last in column.row(joins[-1].source))
