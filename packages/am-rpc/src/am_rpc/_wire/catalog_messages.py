"""What a server tells of the machines behind its address: `ls`, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from .._errors import InvalidParams
from .._value import Value
from .parse import at, blob, optional, printable, text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .._options import Limits

# The text of the refusal of who named no machine that it may have.
CHOOSE: Final = "choose a machine"
# Machines of one page.
PAGE: Final = 4096
# Bytes that a page takes at most, about; a client takes more.
PAGE_BYTES: Final = 1_000_000
_MOST_TAGS: Final = 64
_LONGEST: Final = 256


class MachineInfo(NamedTuple):
    """A machine behind an address.

    `parent` is the id of its parent, None if it has none. `schema_hash` is the same for machines
    with the same states and relations.
    """

    id: str
    parent: str | None
    tags: tuple[str, ...]
    schema_hash: bytes

    def wire(self) -> list[Any]:
        """Return `[id, parent, tags, schema hash]`; tags beyond 64, or too long, are left out."""
        tags = [tag for tag in self.tags if len(tag) <= _LONGEST]
        return [self.id, self.parent, tags[:_MOST_TAGS], self.schema_hash]

    @property
    def size(self) -> int:
        """Bytes on the wire, at most."""
        texts = (self.id, self.parent or "", *self.tags[:_MOST_TAGS])
        return sum(5 + 4 * len(one) for one in texts) + 32

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Read a row, or raise `InvalidParams`."""
        if type(value) is not list:
            raise InvalidParams("machine: an array was expected")
        tags = at(value, 2)
        if type(tags) is not list or len(tags) > _MOST_TAGS:
            raise InvalidParams("machine: tags were expected")
        return cls(
            printable(at(value, 0), _LONGEST, "machine"),
            optional(lambda one, what: printable(one, _LONGEST, what), at(value, 1), "parent"),
            tuple([text(tag, _LONGEST, "tag") for tag in tags]),
            blob(at(value, 3), 16, "schema hash"),
        )


class ListRequest(Value):
    """Ask which machines there are, those whose ids come after `after`."""

    __slots__ = ("after",)
    method = "ls"

    def __init__(self, after: str = "") -> None:
        self.after = after

    def params(self) -> list[Any]:
        """Return `[]`, or `[after]`."""
        return [self.after] if self.after else []

    @classmethod
    def parse(cls, params: list[Any], limits: Limits) -> Self:
        """Read params, or raise `InvalidParams`."""
        after = at(params, 0)
        return cls("" if after is None else text(after, _LONGEST, "after"))


def page_of(machines: Iterable[MachineInfo]) -> list[list[Any]]:
    """Return one page of machines that come in the order of their ids."""
    rows: list[list[Any]] = []
    room = PAGE_BYTES
    for machine in machines:
        room -= machine.size
        if len(rows) >= PAGE or (room < 0 and rows):
            break
        rows.append(machine.wire())
    return rows


def parse_page(value: Any) -> tuple[MachineInfo, ...]:
    """Read the result of `ls`, or raise `InvalidParams`."""
    if type(value) is not list or len(value) > PAGE:
        raise InvalidParams("machines: an array was expected")
    return tuple([MachineInfo.parse(row) for row in value])
