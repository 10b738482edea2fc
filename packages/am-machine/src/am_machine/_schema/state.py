"""A state's definition: a `str` that carries its relations, so it is usable wherever a name is."""

from __future__ import annotations

from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterable

RELATIONS = ("require", "add", "remove", "after")


class State(str):
    """A status flag with relations, to be assigned to a name in a `States` body.

    `auto` states are tried after every transition that changed a clock; `multi` states may be
    entered again while active. `require`, `add`, `remove`, `after` name other states; `args` is a
    dataclass of the keywords that a mutation calling this state takes; `tags` and `doc` are free.
    A faulty definition is reported when the schema is compiled (`SchemaError`).
    """

    __slots__ = ("add", "after", "args", "auto", "doc", "multi", "remove", "require", "tags")

    auto: bool
    multi: bool
    require: tuple[str, ...]
    add: tuple[str, ...]
    remove: tuple[str, ...]
    after: tuple[str, ...]
    args: type | None
    tags: tuple[str, ...]
    doc: str

    def __new__(
        cls,
        *,
        auto: bool = False,
        multi: bool = False,
        require: Iterable[str] = (),
        add: Iterable[str] = (),
        remove: Iterable[str] = (),
        after: Iterable[str] = (),
        args: type | None = None,
        tags: Iterable[str] = (),
        doc: str = "",
    ) -> Self:
        return cls._make("", bool(auto), bool(multi), require, add, remove, after, args, tags, doc)

    @classmethod
    def _make(
        cls,
        name: str,
        auto: bool,
        multi: bool,
        require: Iterable[str],
        add: Iterable[str],
        remove: Iterable[str],
        after: Iterable[str],
        args: type | None,
        tags: Iterable[str],
        doc: str,
    ) -> Self:
        self = str.__new__(cls, name)
        self.auto = auto
        self.multi = multi
        self.require = as_names(require)
        self.add = as_names(add)
        self.remove = as_names(remove)
        self.after = as_names(after)
        self.args = args
        self.tags = as_names(tags)
        self.doc = doc
        return self

    @property
    def is_bound(self) -> bool:
        """Whether the State has its name already."""
        return len(self) > 0

    def bound_to(self, name: str) -> Self:
        """The same definition under `name`."""
        return self._make(
            name, self.auto, self.multi, self.require, self.add, self.remove, self.after,
            self.args, self.tags, self.doc,
        )  # fmt: skip

    def extend(
        self,
        *,
        auto: bool = False,
        multi: bool = False,
        require: Iterable[str] = (),
        add: Iterable[str] = (),
        remove: Iterable[str] = (),
        after: Iterable[str] = (),
        args: type | None = None,
        tags: Iterable[str] | None = None,
        doc: str | None = None,
    ) -> Self:
        """An inherited definition with more relations: its entries first, then the new ones.

        `auto` and `multi` can only be switched on; `args`, `tags` and `doc` are replaced if given.
        """
        return self._make(
            str(self),
            self.auto or auto,
            self.multi or multi,
            _joined(self.require, require),
            _joined(self.add, add),
            _joined(self.remove, remove),
            _joined(self.after, after),
            self.args if args is None else args,
            self.tags if tags is None else tags,
            self.doc if doc is None else doc,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        fields = (str(self), self.auto, self.multi, self.require, self.add, self.remove, self.after)
        return State._make, (*fields, self.args, self.tags, self.doc)

    def faults(self) -> list[str]:
        """What is wrong with this definition by itself, a sentence each."""
        found = []
        for kind in RELATIONS:
            names = getattr(self, kind)
            if isinstance(names, str) or not isinstance(names, tuple):
                found.append(f"{self}: {kind} is not an iterable of names")
                continue
            for name in names:
                if not isinstance(name, str):
                    found.append(f"{self}: {kind} has {name!r}, which is not a name")
                elif isinstance(name, State) and not name.is_bound:
                    found.append(f"{self}: {kind} has a State without a name")
        if self.args is not None and not (isinstance(self.args, type) and is_dataclass(self.args)):
            found.append(f"{self}: args is not a dataclass")
        return found


def as_names(value: Iterable[str]) -> tuple[str, ...]:
    """A tuple of the names; what is no iterable of names stays, to be listed as a fault."""
    if type(value) is not tuple:
        if isinstance(value, (str, bytes)):
            return value  # type: ignore[return-value]
        try:
            value = tuple(value)
        except TypeError:
            return value  # type: ignore[return-value]
    if all([type(name) in _PLAIN for name in value]):
        return value
    return tuple([plain_name(name) for name in value])


def plain_name(name: Any) -> Any:
    """A name as the text that it holds: a member of a `(str, Enum)` compares as one text, hashes
    as another and prints as a third. What is no text stays, to be refused by others."""
    if type(name) in _PLAIN or not isinstance(name, str) or isinstance(name, State):
        return name
    return str.__str__(name)


_PLAIN = (str, State)


def _joined(inherited: tuple[str, ...], more: Iterable[str]) -> tuple[str, ...]:
    new = as_names(more)
    if type(new) is not tuple or type(inherited) is not tuple:
        return new if type(new) is not tuple else inherited
    return tuple(dict.fromkeys((*inherited, *new)))
