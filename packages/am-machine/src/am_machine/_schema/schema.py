"""The compiled schema: what a machine needs of its states, as bit masks.

A set of states is an `int` whose bit i stands for the state of index i. A schema is compiled once,
is immutable, and is shared by all machines made from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from .._errors import SchemaError, UnknownStateError
from .bits import bits_of
from .state import RELATIONS, State, as_names, plain_name
from .tables import Tables

if TYPE_CHECKING:
    from .explanation import Explanation
    from .resolution import Resolution

MAX_STATES = 4096
MAX_NAME = 128
# Combinations of names whose indexes are kept, and the most names of one: peers may choose them.
_MOST_FOUND = 1024
_LONGEST_FOUND = 16

_KEYS = frozenset((*RELATIONS, "auto", "multi", "args", "tags", "doc"))


class Schema(Mapping[str, State]):
    """An immutable mapping of state names to bound `State`s, in index order.

    Made from a mapping of names to `State`s or dicts of their properties. Implicit `Exception` is
    appended; definitions are sanitised (a state drops itself from its `remove` and `after`,
    duplicates go, `add` wins over `remove`).

    :raises SchemaError: with every fault listed.
    """

    __slots__ = (
        "__weakref__", "_found", "_named", "_states", "args_classes", "bits", "books", "exception",
        "groups", "handler_names", "index", "names", "singles", "tables", "typed",
    )  # fmt: skip

    names: tuple[str, ...]
    index: Mapping[str, int]
    groups: Mapping[str, tuple[str, ...]]
    tables: Tables
    # State index -> args class, for those that have one.
    args_classes: Mapping[int, type]
    # What others keep beside the schema, for all machines made from it: books of plans by the
    # handler names that they know, and handler names by how they are read.
    books: dict[frozenset[str], Any]
    handler_names: dict[str, Any]

    def __init__(
        self, states: Mapping[str, Any], *, groups: Mapping[str, Iterable[str]] | None = None
    ) -> None:
        faults: list[str] = []
        plain = {plain_name(name): value for name, value in states.items()}
        defined = {name: _as_state(name, value, faults) for name, value in plain.items()}
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
        # The bit of `Exception`, and each state's index as a tuple of its own.
        self.exception = self.bits[index["Exception"]]
        self.singles = tuple([(i,) for i in range(len(self.names))])
        self.args_classes = {
            i: state.args for i, state in enumerate(self._states.values()) if state.args
        }
        # The states with an args class.
        self.typed = sum([self.bits[i] for i in self.args_classes])
        self.books = {}
        self.handler_names = {}
        # What `indexes` found; a program names few combinations of states, again and again.
        self._found: dict[Iterable[str], tuple[int, ...]] = {}
        # What `names_of` did: most machines come to few sets of active states.
        self._named: dict[int, tuple[str, ...]] = {}

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
            try:
                found = tuple([index[plain_name(name)] for name in states])
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
        """The error for the first of these names that is no state; it suggests the nearest one."""
        for name in states:
            if isinstance(name, State) and not name.is_bound:
                return SchemaError("an unbound State was used as a name")
            if not isinstance(name, str) or plain_name(name) not in self.index:
                return UnknownStateError(name, where, _nearest(name, self.names))
        raise AssertionError(states)  # pragma: no cover - called for unknown names only

    def names_of(self, mask: int) -> tuple[str, ...]:
        """The names of the states in a bit mask, in index order."""
        found = self._named.get(mask)
        if found is None:
            names = self.names
            found = tuple([names[i] for i in bits_of(mask)])
            if len(found) <= _LONGEST_FOUND and len(self._named) < _MOST_FOUND:
                self._named[mask] = found
        return found

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
        from .resolution import resolution  # machines resolve by plans

        return resolution(
            self, kind, self.indexes(called), self.mask(active), is_auto=is_auto, is_check=is_check
        )

    def explain(
        self,
        kind: str,
        called: Iterable[str],
        active: Iterable[str],
        *,
        handlers: Iterable[str] = (),
        vetoed: Iterable[str] = (),
        failed: str | None = None,
        is_auto: bool = False,
        is_check: bool = False,
    ) -> Explanation:
        """The same with its reasons: who was removed by whom, who requires what, which of the bound
        `handlers` would be called in which order, and the steps. Pure, as `resolve`.

        `vetoed` are handlers taken to vote against; `failed` is one taken to raise.

        :raises UnknownStateError: if a name is not a state.
        :raises ValueError: if `kind` is none of add, remove, set.
        """
        from .explanation import explain  # asked for by people, not by programs

        return explain(
            self,
            kind,
            self.indexes(called),
            self.mask(active),
            handlers=tuple(handlers),
            vetoed=tuple(vetoed),
            failed=failed,
            is_auto=is_auto,
            is_check=is_check,
        )

    def relations_between(self, first: str, second: str) -> tuple[str, ...]:
        """The kinds of relations that `first` has to `second`: of require, add, remove, after.

        :raises UnknownStateError: if a name is not a state.
        """
        a, b = [self.names[self.indexes((name,))[0]] for name in (first, second)]
        return tuple([kind for kind in RELATIONS if b in getattr(self[a], kind)])

    def inbound(self, state: str) -> dict[str, tuple[str, ...]]:
        """By kind of relation (require, add, remove, after) the states that have one to `state`,
        in index order.

        :raises UnknownStateError: if the name is not a state.
        """
        goal = self.names[self.indexes((state,))[0]]
        return {
            kind: tuple([name for name in self.names if goal in getattr(self[name], kind)])
            for kind in RELATIONS
        }


def _nearest(name: object, names: tuple[str, ...]) -> str | None:
    """The name that was probably meant, if one is near."""
    if not isinstance(name, str):
        return None
    # Only for the text of an error, and dear to import.
    from difflib import get_close_matches

    lower = {known.lower(): known for known in reversed(names)}
    found = get_close_matches(name.lower()[:MAX_NAME], lower, n=1, cutoff=0.6)
    return lower[found[0]] if found else None


def _is_name(name: str) -> bool:
    """Whether it is a capital of ASCII with letters, digits and underscores of it behind."""
    return (
        "A" <= name[:1] <= "Z" and name.isascii() and name.isidentifier() and len(name) <= MAX_NAME
    )


def _as_state(name: Any, value: Any, faults: list[str]) -> State:
    if isinstance(value, State):
        return value if type(value) is State and value == name else value.bound_to(str(name))
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
        elif not isinstance(name, str) or not _is_name(name):
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
