"""Pictures as bytes, for the process that draws, and its answers."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple, cast

import msgpack  # type: ignore[import-untyped]

from ..._derive.pictures import MachineSheet, Mutation, Picture, PipeSheet

HEADER = 4
"""Bytes of the length, in network order, before each message."""
MOST_BYTES = 1 << 28


class Request(NamedTuple):
    """Pictures to draw into a folder; `has_markdown`: the graph as a list, too."""

    folder: str
    pictures: tuple[Picture, ...]
    has_markdown: bool = False


class Answer(NamedTuple):
    """What came of it: names of files written, and faults by picture."""

    written: tuple[str, ...]
    faults: tuple[str, ...]


def pack_request(request: Request) -> bytes:
    """A request as bytes."""
    pictures = [dataclasses.astuple(picture) for picture in request.pictures]
    return _pack([request.folder, pictures, request.has_markdown])


def unpack_request(data: bytes) -> Request:
    """The request of such bytes."""
    folder, pictures, has_markdown = _unpack(data)
    return Request(folder, tuple([_picture(parts) for parts in pictures]), has_markdown)


def pack_answer(answer: Answer) -> bytes:
    """An answer as bytes."""
    return _pack(list(answer))


def unpack_answer(data: bytes) -> Answer:
    """The answer of such bytes."""
    written, faults = _unpack(data)
    return Answer(tuple(written), tuple(faults))


def _picture(parts: Any) -> Picture:
    name, kind, machines, *rest, mutation = parts
    sheets = tuple([_sheet(parts) for parts in machines])
    rest.append(None if mutation is None else Mutation(*mutation))
    return Picture(name, kind, sheets, *rest)


def _sheet(parts: Any) -> MachineSheet:
    *fields, pipes = parts
    fields.append(tuple([PipeSheet(*pipe) for pipe in pipes]))
    return MachineSheet(*fields)


def _pack(value: object) -> bytes:
    return cast("bytes", msgpack.packb(value))


def _unpack(data: bytes) -> Any:
    # Tuples, as the values were.
    return msgpack.unpackb(data, use_list=False)
