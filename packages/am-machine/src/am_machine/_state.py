"""States and the classes that declare them.

A `State` is a `str` that carries its definition, so it is usable wherever a name is. A `str` cannot
change after it was made and `__set_name__` comes too late for that, so the namespace of a `States`
body replaces an unbound State by a bound one at the moment of assignment. That makes it usable
further down in the same body.
"""

from __future__ import annotations

from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ._schema import Schema

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
    if type(value) is tuple:
        return value
    if isinstance(value, (str, bytes)):
        return value  # type: ignore[return-value]
    try:
        return tuple(value)
    except TypeError:
        return value  # type: ignore[return-value]


def _joined(inherited: tuple[str, ...], more: Iterable[str]) -> tuple[str, ...]:
    new = as_names(more)
    if type(new) is not tuple or type(inherited) is not tuple:
        return new if type(new) is not tuple else inherited
    return tuple(dict.fromkeys((*inherited, *new)))


class _Body(dict[str, Any]):
    """The namespace of a `States` body: it binds each State to the name it is assigned to."""

    def __setitem__(self, key: str, value: Any) -> None:
        if isinstance(value, State) and value != key:
            value = value.bound_to(key)
        super().__setitem__(key, value)


class StatesMeta(type):
    """Makes a class body of `State` assignments into a schema."""

    @classmethod
    def __prepare__(mcs, name: str, bases: tuple[type, ...], /, **kwds: Any) -> _Body:
        return _Body()


class States(metaclass=StatesMeta):
    """Base of typed schemas. Each attribute that is a `State` becomes a state.

    The order of definition is the index order, inherited states first. Inheritance merges along
    the MRO: the definition found first wins whole. An inner class `Groups` names groups of states.
    """

    _schema: ClassVar[Schema]

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """All state names in index order; `Exception` is always there."""
        own = cls._defined()
        return own if "Exception" in own else (*own, "Exception")

    @classmethod
    def schema(cls) -> Schema:
        """The compiled schema, made once per class.

        :raises SchemaError: with every fault listed.
        """
        found: Schema | None = cls.__dict__.get("_schema")
        if found is None:
            from ._schema import Schema

            states = {name: cls._definition(name) for name in cls._defined()}
            found = Schema(states, groups=cls.groups())
            cls._schema = found
        return found

    @classmethod
    def groups(cls) -> Mapping[str, tuple[str, ...]]:
        """Group name -> its states; groups of bases first, one of the same name replaced."""
        merged: dict[str, tuple[str, ...]] = {}
        for base in cls.__bases__:
            if issubclass(base, States):
                # The group found first in the MRO wins, as a definition does.
                merged = {**merged, **{k: v for k, v in base.groups().items() if k not in merged}}
        own = cls.__dict__.get("Groups")
        for part in reversed(own.__mro__) if isinstance(own, type) else ():
            for key, value in vars(part).items():
                if part is not object and not key.startswith("_"):
                    merged[key] = as_names(value)
        return merged

    @classmethod
    def _defined(cls) -> tuple[str, ...]:
        order: dict[str, None] = {}
        for base in cls.__bases__:
            if issubclass(base, States):
                order.update(dict.fromkeys(base._defined()))
        order.update((k, None) for k, v in cls.__dict__.items() if isinstance(v, State))
        return tuple(order)

    @classmethod
    def _definition(cls, name: str) -> State:
        for part in cls.__mro__:
            found = part.__dict__.get(name)
            if isinstance(found, State):
                return found
        raise AssertionError(name)  # pragma: no cover - names come from the same classes
