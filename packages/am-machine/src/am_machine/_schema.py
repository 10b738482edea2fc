"""The compiled schema: what a machine needs of its states, as bit masks.

A set of states is an `int` whose bit i stands for the state of index i. A schema is compiled once,
is immutable, and is shared by all machines made from it, together with the plans they have made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ._errors import SchemaError, UnknownStateError
from ._resolve import Resolution, Tables, resolution
from ._state import RELATIONS, State, States, as_names

if TYPE_CHECKING:
    from ._plans import PlanBook

MAX_STATES = 4096
MAX_NAME = 128
# Books of plans kept for machines yet to come; each belongs to one set of handler names.
MAX_BOOKS = 16
# Combinations of names whose indexes are kept, and the most names of one: peers may choose them.
_MOST_FOUND = 1024
_LONGEST_FOUND = 16

_NAME = re.compile(r"[A-Z][A-Za-z0-9_]*")
_KEYS = frozenset((*RELATIONS, "auto", "multi", "args", "tags", "doc"))


class Schema(Mapping[str, State]):
    """An immutable mapping of state names to bound `State`s, in index order.

    Made from a mapping of names to `State`s or dicts of their properties. Implicit `Exception` is
    appended; definitions are sanitised (a state drops itself from its `remove` and `after`,
    duplicates go, `add` wins over `remove`).

    :raises SchemaError: with every fault listed.
    """

    __slots__ = (
        "__weakref__", "_books", "_found", "_handler_names", "_states", "args_classes", "bits",
        "groups", "index", "names", "tables",
    )  # fmt: skip

    names: tuple[str, ...]
    index: Mapping[str, int]
    groups: Mapping[str, tuple[str, ...]]
    tables: Tables
    # State index -> args class, for those that have one.
    args_classes: Mapping[int, type]

    def __init__(
        self, states: Mapping[str, Any], *, groups: Mapping[str, Iterable[str]] | None = None
    ) -> None:
        faults: list[str] = []
        defined = {name: _as_state(name, value, faults) for name, value in states.items()}
        if "Exception" not in defined:
            defined["Exception"] = State(multi=True).bound_to("Exception")
        grouped = {name: as_names(members) for name, members in (groups or {}).items()}
        self._states = {name: _sanitised(state) for name, state in defined.items()}
        _find_faults(self._states, grouped, faults)
        if faults:
            raise SchemaError(*faults)
        self.names = tuple(self._states)
        index = {name: i for i, name in enumerate(self.names)}
        self.index = index
        self.groups = MappingProxyType(grouped)
        self.tables = Tables.compile(list(self._states.values()), index)
        self.bits = self.tables.bits
        self.args_classes = {
            i: state.args for i, state in enumerate(self._states.values()) if state.args
        }
        self._books: dict[tuple[frozenset[str], bool], PlanBook] = {}
        # What `indexes` found; a program names few combinations of states, again and again.
        self._found: dict[Iterable[str], tuple[int, ...]] = {}
        # Parsed handler names, by whoever binds handlers; the parser is the owner of its values.
        self._handler_names: dict[str, Any] = {}

    def __getitem__(self, name: str) -> State:
        return self._states[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"<Schema of {len(self.names)} states>"

    def __hash__(self) -> int:
        return id(self)

    def indexes(self, states: Iterable[str], where: object = "") -> tuple[int, ...]:
        """Indexes of the named states in the order given, duplicates dropped.

        :raises UnknownStateError: if a name is not a state.
        :raises SchemaError: if a name is an unbound `State`.
        """
        try:
            return self._found[states]
        except (KeyError, TypeError):
            return self._find(states, where)

    def _find(self, states: Iterable[str], where: object) -> tuple[int, ...]:
        index = self.index
        try:
            found = tuple([index[name] for name in states])
        except (KeyError, TypeError):
            raise self.unknown(states, where) from None
        found = tuple(dict.fromkeys(found))
        if (
            type(states) is tuple
            and len(states) <= _LONGEST_FOUND
            and len(self._found) < _MOST_FOUND
        ):
            self._found[states] = found
        return found

    def mask(self, states: Iterable[str], where: object = "") -> int:
        """The bit mask of the named states. Raises as `indexes`."""
        found = 0
        bits = self.bits
        for i in self.indexes(states, where):
            found |= bits[i]
        return found

    def unknown(self, states: Iterable[str], where: object = "") -> Exception:
        """The error for the first of these names that is no state."""
        for name in states:
            if isinstance(name, State) and not name.is_bound:
                return SchemaError("an unbound State was used as a name")
            if not isinstance(name, str) or name not in self.index:
                return UnknownStateError(name, where)
        raise AssertionError(states)  # pragma: no cover - called for unknown names only

    def names_of(self, mask: int) -> tuple[str, ...]:
        """The names of the states in a bit mask, in index order."""
        names = self.names
        return tuple([names[i] for i in bits_of(mask)])

    def resolve(
        self,
        kind: str,
        called: Iterable[str],
        active: Iterable[str],
        *,
        is_auto: bool = False,
        is_check: bool = False,
    ) -> Resolution:
        """What a mutation would do by the relations alone; pure, no handler is asked.

        `kind` is add, remove or set; `called` is ordered; `active` is the set of active states.

        :raises UnknownStateError: if a name is not a state.
        :raises ValueError: if `kind` is none of the three.
        """
        return resolution(
            self, kind, self.indexes(called), self.mask(active), is_auto=is_auto, is_check=is_check
        )

    def plans(self, handlers: frozenset[str], journaled: bool = False) -> PlanBook:
        """The plans of all machines with this schema and this set of handler names, with or
        without a journal."""
        from ._plans import PlanBook

        book = self._books.get((handlers, journaled))
        if book is None:
            if len(self._books) >= MAX_BOOKS:
                # The oldest goes; machines that use it keep it alive.
                del self._books[next(iter(self._books))]
            book = self._books[handlers, journaled] = PlanBook(self, handlers, journaled)
        return book


def compile_schema(source: Schema | type[States] | Mapping[str, Any]) -> Schema:
    """The `Schema` of a States class (made once), of a dict (made anew), or the schema itself.

    :raises SchemaError: with every fault listed.
    """
    if isinstance(source, Schema):
        return source
    if isinstance(source, type) and issubclass(source, States):
        return source.schema()
    if isinstance(source, Mapping):
        return Schema(source)
    raise SchemaError(f"{source!r} is neither a schema, a States class nor a mapping")


def bits_of(mask: int) -> list[int]:
    """Indexes of the bits set in a mask, ascending."""
    found = []
    while mask:
        low = mask & -mask
        found.append(low.bit_length() - 1)
        mask ^= low
    return found


def _as_state(name: Any, value: Any, faults: list[str]) -> State:
    if isinstance(value, State):
        return value if value == name else value.bound_to(str(name))
    if not isinstance(value, Mapping):
        faults.append(f"{name}: {value!r} is neither a State nor a mapping of properties")
        return State().bound_to(str(name))
    if not value.keys() <= _KEYS:
        faults.extend(f"{name}: unknown key {key!r}" for key in value if key not in _KEYS)
    get = value.get
    return State._make(
        str(name),
        bool(get("auto", False)),
        bool(get("multi", False)),
        *(get("require", ()), get("add", ()), get("remove", ()), get("after", ())),
        get("args"),
        get("tags", ()),
        get("doc", ""),
    )


def _find_faults(
    states: Mapping[str, State], groups: Mapping[str, tuple[str, ...]], faults: list[str]
) -> None:
    if len(states) > MAX_STATES:
        faults.append(f"{len(states)} states, at most {MAX_STATES} are allowed")
    for name, state in states.items():
        if name == "Any":
            faults.append("Any: the name is reserved")
        elif not isinstance(name, str) or len(name) > MAX_NAME or not _NAME.fullmatch(name):
            faults.append(f"{name!r:.160}: not a state name ([A-Z][A-Za-z0-9_]*, ≤ {MAX_NAME})")
        relations = (state.require, state.add, state.remove, state.after)
        if all([type(names) is tuple for names in relations]):
            try:
                known = {other for names in relations for other in names} <= states.keys()
            except TypeError:  # what cannot be hashed is no name
                known = False
            if known and state.args is None:
                # Nothing but this can be wrong with a state whose names are all there.
                if state.require and state.remove:
                    faults.extend(_contradictions(state))
                continue
        faults.extend(state.faults())
        for kind, others in zip(RELATIONS, relations, strict=True):
            if type(others) is tuple:
                faults.extend(
                    f"{name}: {kind} names {other!r}, which does not exist"
                    for other in others
                    if isinstance(other, str) and other and other not in states
                )
        if type(state.require) is tuple and type(state.remove) is tuple:
            faults.extend(_contradictions(state))
    for group, members in groups.items():
        if type(members) is not tuple:
            faults.append(f"group {group}: not an iterable of names")
            continue
        for member in members:
            if member not in states:
                faults.append(f"group {group}: {member!r} does not exist")


def _contradictions(state: State) -> list[str]:
    both = [other for other in state.require if other in state.remove]
    return [f"{state}: both requires and removes {other}" for other in both]


def _sanitised(state: State) -> State:
    relations = (state.require, state.add, state.remove, state.after)
    if not any(relations) or not all([type(names) is tuple for names in relations]):
        return state
    require, add, remove, after = [
        tuple(dict.fromkeys(names)) if len(names) > 1 else names for names in relations
    ]
    if remove:
        remove = tuple([name for name in remove if name not in add and name != state])
    if state in after:
        after = tuple([name for name in after if name != state])
    if (require, add, remove, after) == relations:
        return state
    more = (state.args, state.tags, state.doc)
    return state._make(str(state), state.auto, state.multi, require, add, remove, after, *more)
