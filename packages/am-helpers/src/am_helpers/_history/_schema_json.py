"""Schemas as JSON of names, properties and relations. Reading one executes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import am_machine as am

from .._errors import HistoryError
from .._schema_tools import RELATIONS

if TYPE_CHECKING:
    from collections.abc import Mapping


def schema_to_json(schema: am.Schema) -> dict[str, dict[str, Any]]:
    """Return plain values, states in index order; args classes, tags and texts stay behind."""
    plain: dict[str, dict[str, Any]] = {}
    for name, state in schema.items():
        entry: dict[str, Any] = {kind: list(getattr(state, kind)) for kind in RELATIONS}
        entry["auto"], entry["multi"] = state.auto, state.multi
        plain[str(name)] = {key: value for key, value in entry.items() if value}
    return plain


def plain_to_schema(plain: Mapping[str, Any]) -> am.Schema:
    """Compile plain values, which may come from a file.

    :raises HistoryError: if they are no schema.
    """
    known = {*RELATIONS, "auto", "multi"}
    if not isinstance(plain, dict):
        raise HistoryError("the stored schema is not a mapping")
    for name, entry in plain.items():
        if not isinstance(entry, dict) or not entry.keys() <= known:
            raise HistoryError(f"the stored state {name[:40]!r} cannot be read")
    try:
        return am.Schema(plain)
    except am.SchemaError as exc:
        raise HistoryError(f"the stored schema is faulty: {exc}") from exc
