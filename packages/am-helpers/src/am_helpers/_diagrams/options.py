"""The keywords of diagrams, for type checkers."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from .view import PipeDetail


class DiagramOptions(TypedDict, total=False):
    """Keywords of `mermaid` and `d2`."""

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
