"""Public names that are loaded when they are first asked for.

Some bring OpenTelemetry along, which takes longer to load than all else here, and the exporter
brings the hub. A program that only streams to a debugger needs no OpenTelemetry; a debugger, which
reads what others sent, needs neither.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PACKAGE = __name__.rpartition(".")[0]


def loads(public: str, module_of: Mapping[str, str]) -> Callable[[str], Any]:
    """Make the `__getattr__` of a public module, whose names are in rooms of the package."""

    def load(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module {public!r} has no attribute {name!r}")
        import_module(f"{_PACKAGE}.{module_of[name]}")
        shown = vars(sys.modules[public])
        # All that is there by now: an object may come into a user's hands, and into a pickle,
        # before its class is asked for.
        for other, module in module_of.items():
            loaded = sys.modules.get(f"{_PACKAGE}.{module}")
            if loaded is not None and other not in shown:
                value = shown[other] = getattr(loaded, other)
                value.__module__ = public
        return shown[name]

    return load
