"""What an OTLP collector wrote down of what it received, read back.

Its text has a header line for each thing, fields below it as `name : value`, and attributes as
`-> key: Kind(value)` below the headers of their sections.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_ATTRIBUTE = re.compile(r"\s+-> (.*?): (?:Str|Int|Double|Bool|Slice)\((.*)\)$")
_FIELD = re.compile(r"\s*(?:-> )?([A-Z][A-Za-z ]*?)\s*: ?(.*)$")


@dataclass
class Thing:
    """One block of the text: what its header says, its fields, and its attributes."""

    kind: str
    resource: dict[str, str]
    fields: dict[str, str] = field(default_factory=dict)
    attributes: dict[str, str] = field(default_factory=dict)
    parts: list[Thing] = field(default_factory=list)

    @property
    def service(self) -> str | None:
        """The service that it comes from."""
        return self.resource.get("service.name")


class Span(Thing):
    """One span; times in nanoseconds since 1970."""

    @property
    def trace(self) -> str:
        return self.fields["Trace ID"]

    @property
    def id(self) -> str:
        return self.fields["ID"]

    @property
    def parent(self) -> str:
        return self.fields["Parent ID"]

    @property
    def name(self) -> str:
        return self.fields["Name"]

    @property
    def start(self) -> int:
        return int(self.fields["Start time"])

    @property
    def end(self) -> int:
        return int(self.fields["End time"])

    @property
    def status(self) -> str:
        return self.fields["Status code"]


class Record(Thing):
    """One record of a log."""

    @property
    def body(self) -> str:
        return self.fields["Body"].removeprefix("Str(").removesuffix(")")

    @property
    def severity(self) -> str:
        return self.fields["SeverityText"]


@dataclass(frozen=True)
class Point:
    """The value of one series at one time, in nanoseconds since 1970."""

    at: int
    name: str
    service: str | None
    key: tuple[tuple[str, str], ...]
    value: float


_KINDS: dict[str, type[Thing]] = {"Span": Span, "LogRecord": Record}
_PARTS = {"SpanEvent", "SpanLink", "NumberDataPoints", "HistogramDataPoints"}


def things(text: str) -> Iterator[Thing]:
    """All that was received, in order."""
    resource: dict[str, str] = {}
    thing = part = None
    into: dict[str, str] = {}
    for line in text.splitlines():
        header = re.fullmatch(r"([A-Za-z]+) #(\d+)", line.strip())
        if header is not None:
            kind = header[1]
            if kind.startswith("Resource"):
                resource, into = {}, {}
            elif kind in _PARTS and thing is not None:
                part = Thing(kind, resource)
                thing.parts.append(part)
                into = part.attributes
            elif not kind.startswith("Scope"):
                if thing is not None:
                    yield thing
                thing, part = _KINDS.get(kind, Thing)(kind, resource), None
                into = thing.attributes
        elif line.strip() == "Resource attributes:":
            into = resource
        elif attribute := _ATTRIBUTE.fullmatch(line):
            into[attribute[1]] = attribute[2]
        elif (found := _FIELD.fullmatch(line)) and thing is not None:
            (part or thing).fields.setdefault(found[1], found[2])
    if thing is not None:
        yield thing


def spans_of(text: str) -> list[Span]:
    """All spans that arrived."""
    return [thing for thing in things(text) if isinstance(thing, Span)]


def records_of(text: str) -> list[Record]:
    """All log records that arrived."""
    return [thing for thing in things(text) if isinstance(thing, Record)]


def points_of(text: str) -> list[Point]:
    """All single values of metrics that arrived, in order."""
    return [
        Point(
            int(point.fields["Timestamp"]),
            metric.fields["Name"],
            metric.service,
            tuple(sorted(point.attributes.items())),
            float(point.fields["Value"]),
        )
        for metric in things(text)
        if metric.kind == "Metric"
        for point in metric.parts
        if point.kind == "NumberDataPoints"
    ]
