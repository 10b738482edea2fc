"""Scroll bars whose thumb looks as before are drawn as before."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from textual.scrollbar import ScrollBarRender

from am_debugger._ui.thumbs import thumb

ROWS = st.integers(1, 100_000)


@given(st.integers(1, 60), ROWS, ROWS, st.floats(0, 1), st.floats(0, 1))
def test_a_bar_of_the_same_thumb_is_drawn_the_same(
    size: int, rows: int, others: int, one: float, another: float
) -> None:
    def drawn(rows: int, share: float) -> tuple[tuple[int, int], list[object]]:
        position = max(rows - size, 0) * share
        window = size if size < rows else 0
        bar = ScrollBarRender.render_bar(
            size=size, virtual_size=rows, window_size=window, position=position
        )
        return thumb(size, size, rows, position), list(bar.segments)

    first, second = drawn(rows, one), drawn(others, another)
    if first[0] == second[0]:
        assert first[1] == second[1]


def test_a_step_of_many_is_less_than_a_bar_shows() -> None:
    assert thumb(40, 40, 10_000, 5000) == thumb(40, 40, 10_001, 5001)
    assert thumb(40, 40, 10_000, 5000) != thumb(40, 40, 10_000, 6000)
    assert thumb(40, 40, 40, 0) == (0, 0)
