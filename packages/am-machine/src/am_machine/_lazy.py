"""Public names that are loaded when they are first asked for.

What only those ask for who look into a machine, follow it or keep it, does not delay the start of a
process.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any, Final

PACKAGE: Final = __name__.rpartition(".")[0]
_MODULE_OF: Final = {
    "Explanation": "_schema.explanation",
    "Journal": "_watch.journal",
    "JournalColumns": "_watch.part",
    "JournalDetails": "_watch.journal_details",
    "JournalEntry": "_watch.entries",
    "JournalPart": "_watch.part",
    "MachineApi": "_engine.api",
    "MachineOptions": "_engine.options",
    "Pending": "_engine.pending",
    "PendingItem": "_engine.pending",
    "Resolution": "_schema.resolution",
    "Snapshot": "_snapshot",
}


def load(name: str) -> Any:
    """Return a name of the package that was not loaded yet.

    :raises AttributeError: if there is no such name.
    """
    if name not in _MODULE_OF:
        raise AttributeError(f"module {PACKAGE!r} has no attribute {name!r}")
    value = getattr(import_module(f"{PACKAGE}.{_MODULE_OF[name]}"), name)
    vars(sys.modules[PACKAGE])[name] = value
    return value
