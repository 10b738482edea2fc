"""The keywords of diagrams, for type checkers."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .view import Mark, PipeDetail


class DiagramOptions(TypedDict, total=False):
    """Keywords of `mermaid`, `d2` and `dot`."""

    relations: bool
    inherited: bool
    groups: bool
    exception: bool
    start: bool
    ready: bool
    tags: bool
    active: bool
    pipes: PipeDetail
    only: tuple[str, ...]
    skip: tuple[str, ...]
    around: str | tuple[str, ...]
    distance: int
    marks: Mapping[str, Mark]
    steps: bool
