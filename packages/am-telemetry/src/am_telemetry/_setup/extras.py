"""Optional dependencies, imported where they are asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .._errors import MissingExtraError


def load(extra: str, what: str, *modules: str) -> tuple[Any, ...]:
    """Import modules that come with an extra.

    :raises MissingExtraError: if one is not installed.
    """
    try:
        return tuple([import_module(name) for name in modules])
    except ImportError as exc:
        raise MissingExtraError(extra, what) from exc
