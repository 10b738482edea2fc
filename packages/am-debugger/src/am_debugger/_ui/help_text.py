"""The help: what the signs mean, and which keys there are where."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from .keys import KEYS, PANE_KEYS, Key

_LEGEND = """\
Machines     E error  R ready  S started
             × gone   ! an error lately
             ! before the id: it looks wrong
             N: its last transition at the
             moment, + there are later ones
             -N: so many were lost
Schema       |N ticks, odd: active   M multi
             + added   - removed   * touched
             underlined: called
             lines: relations that were used,
             the double one last
Log          ▌ changed   · nothing changed
             q queued    × canceled   ✎ note
             … several quiet ones (dbg:quiet)
             ╳ some were lost before it
Rain         1 active   2 active and touched
             | removed  * touched, inactive
             c called but canceled
             . inactive; underlined: called
             ╳ some were lost before it
Matrix       row: target, column: source
             1 relation  2 handler  4 added
             8 removed  32 called  64 refused
Buttons      [x] is shown, or on
             [*]auto: without canceled ones
"""  # noqa: RUF001 - signs of the screen


def legend_text() -> str:
    """What signs mean."""
    return _LEGEND


def name_of(key: Key) -> str:
    """Keys as people write them."""
    return ", ".join([_WORDS.get(one, one) for one in key.keys])


_WORDS = {"question_mark": "?", "exclamation_mark": "!", "slash": "/", "N": "shift+n"}


def key_rows() -> list[tuple[str, str, str]]:
    """All keys: where they work, their names, what they do."""
    rows = [("", name_of(key), key.text) for key in KEYS]
    for pane, keys in PANE_KEYS.items():
        rows += [(pane, name_of(key), key.text) for key in keys]
    return rows


def keys_table() -> Table:
    """The table of keys; a long text goes on below its beginning."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column()
    before = ""
    for where, name, text in key_rows():
        if where != before:
            table.add_row("")
            table.add_row(Text(f"{where}:", "bold"))
            before = where
        table.add_row(Text(name), Text(text))
    return table
