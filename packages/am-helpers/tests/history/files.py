"""Reading the files of histories past them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def rows(path: Path, sql: str, *values: Any) -> list[Any]:
    """What a statement finds or changes in a file."""
    with closing(sqlite3.connect(path)) as db:
        found = db.execute(sql, values).fetchall()
        db.commit()
        return found
