"""Types that args may have: each comes back as it went, and nothing else is taken for it."""

from __future__ import annotations

import enum
import math
import subprocess
import sys
import typing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import am_helpers as amh
import am_machine as am

pytest.importorskip("cattrs")


NO_KEY = UUID(int=0)


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Mode(enum.StrEnum):
    READ = "r"
    WRITE = "w"


@dataclass
class Box:
    side: int
    name: str | None = None


@dataclass
class Disc:
    radius: float


@dataclass
class Everything:
    path: Path = Path(".")
    when: datetime | None = None
    day: date = date(2000, 1, 1)
    clock: time = time(0)
    lasting: timedelta = timedelta()
    key: UUID = NO_KEY
    price: Decimal = Decimal(0)
    level: Level = Level.LOW
    modes: list[Mode] = field(default_factory=list)
    pair: tuple[int, Path] = (0, Path("."))
    dates: tuple[date, ...] = ()
    names: frozenset[str] = frozenset()
    table: dict[str, list[Box]] = field(default_factory=dict)
    shape: Box | Disc | None = None
    number: int | float | None = None
    mixed: int | str | bytes | list[int] | dict[str, int] | None = None
    kind: Literal["a", "b", 1] = "a"
    fixed: Literal["x"] | int = 0
    moment: datetime | int = 0
    choice: Mode | bool = False


ZONES = st.sampled_from([None, UTC, timezone(timedelta(hours=5, minutes=30))])
BOXES = st.builds(Box, st.integers(), st.none() | st.text(max_size=5))
EVERYTHING = st.builds(
    Everything,
    path=st.sampled_from([Path("."), Path("/tmp/x"), Path("a b/c")]),
    when=st.none() | st.datetimes(timezones=ZONES),
    day=st.dates(),
    clock=st.times(),
    lasting=st.integers(-(10**9), 10**9).map(lambda s: timedelta(seconds=s)),
    key=st.uuids(),
    price=st.decimals(allow_nan=False),
    level=st.sampled_from(Level),
    modes=st.lists(st.sampled_from(Mode), max_size=3),
    pair=st.tuples(st.integers(), st.just(Path("p"))),
    dates=st.lists(st.dates(), max_size=3).map(tuple),
    names=st.frozensets(st.text(max_size=5), max_size=3),
    table=st.dictionaries(st.text(max_size=5), st.lists(BOXES, max_size=2), max_size=2),
    shape=st.none() | BOXES | st.builds(Disc, st.floats(allow_nan=False)),
    number=st.none() | st.integers() | st.floats(allow_nan=False),
    mixed=st.none()
    | st.integers()
    | st.text(max_size=5)
    | st.binary(max_size=5)
    | st.lists(st.integers(), max_size=3)
    | st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
    kind=st.sampled_from(["a", "b", 1]),
    fixed=st.just("x") | st.integers(),
    moment=st.datetimes() | st.integers(),
    choice=st.sampled_from(Mode) | st.booleans(),
)
PLAIN = (str, int, float, bool, bytes, type(None), list, dict)


def plain(value: Any) -> bool:
    if type(value) is list:
        return all(map(plain, value))
    if type(value) is dict:
        return all(plain(key) and plain(item) for key, item in value.items())
    return type(value) in PLAIN


@settings(deadline=None, max_examples=200)
@given(EVERYTHING)
def test_what_is_dumped_is_plain_and_loads_back_equal_and_of_the_same_types(
    args: Everything,
) -> None:
    dumped = amh.args_dump(args)
    assert plain(dumped)
    loaded = amh.args_load(Everything, dumped)
    assert loaded == args
    for name in amh.args_names(Everything):
        assert type(getattr(loaded, name)) is type(getattr(args, name)), name


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=8) | st.sampled_from(["side", "radius"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


@settings(deadline=None, max_examples=300)
@given(st.dictionaries(st.sampled_from(amh.args_names(Everything)), JUNK, max_size=4))
def test_junk_is_loaded_or_refused_and_what_is_loaded_is_of_the_declared_type(
    junk: dict[str, Any],
) -> None:
    refused = ""
    try:
        loaded = amh.args_load(Everything, junk)
    except am.ArgsError as exc:
        refused = str(exc)
    if refused:
        assert refused.startswith("args")
        assert len(refused) < 2_000
        return
    again = amh.args_load(Everything, amh.args_dump(loaded))
    if not any(isinstance(value, float) and math.isnan(value) for value in junk.values()):
        assert repr(again) == repr(loaded)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("path", 5),
        ("when", "yesterday"),
        ("when", 5),
        ("day", "2000-13-01"),
        ("lasting", "5"),
        ("lasting", 1e300),
        ("lasting", math.nan),
        ("key", "5"),
        ("price", "much"),
        ("level", True),
        ("level", 3),
        ("modes", "r"),
        ("modes", {"r": 1}),
        ("pair", [1]),
        ("names", {"a": 1}),
        ("names", "abc"),
        ("table", []),
        ("shape", {"corners": 3}),
        ("number", True),
        ("number", "80"),
        ("mixed", 1.5),
        ("mixed", ["1"]),
        ("kind", True),
        ("kind", "c"),
        ("fixed", "y"),
        ("moment", "noon"),
        ("choice", "x"),
    ],
)
def test_a_value_of_another_type_is_refused_by_name_and_not_quoted(name: str, value: Any) -> None:
    with pytest.raises(am.ArgsError, match=rf"args\.{name}\b") as refused:
        amh.args_load(Everything, {name: value})
    assert repr(value) not in str(refused.value) or len(repr(value)) < 4


@dataclass
class Typed:
    port: int = 0


def test_text_that_looks_like_a_number_is_no_number() -> None:
    with pytest.raises(am.ArgsError, match=r"args\.port: is str instead of int"):
        amh.args_load(Typed, {"port": "80"})


@dataclass
class Bare:
    old: typing.List = field(default_factory=list)  # type: ignore[type-arg]  # noqa: UP006
    maps: dict = field(default_factory=dict)  # type: ignore[type-arg]
    either: datetime | Path | None = None
    boxes: Box | dict[str, int] | None = None
    two: list[int] | tuple[str, ...] | None = None


@pytest.mark.parametrize(
    ("name", "value"),
    [("old", [1]), ("maps", {}), ("either", "x"), ("boxes", {"side": 1}), ("two", [1])],
)
def test_types_that_could_not_be_loaded_back_are_refused(name: str, value: Any) -> None:
    with pytest.raises(am.ArgsError, match=rf"args\.{name}\b"):
        amh.args_load(Bare, {name: value})
    assert amh.args_load(Bare, {}) == Bare()


@dataclass
class Picky:
    name: str
    table: typing.ClassVar[dict[str, int]] = {"known": 1}

    def __post_init__(self) -> None:
        if self.name == "recurse":
            self.__post_init__()
        self.table[self.name]


@dataclass
class Holder:
    inner: Picky
    more: list[Picky] = field(default_factory=list)


@pytest.mark.parametrize("name", ["unknown", "recurse"])
def test_whatever_a_class_s_own_code_raises_is_a_refusal(name: str) -> None:
    with pytest.raises(am.ArgsError, match="args: refused by Picky"):
        amh.args_load(Picky, {"name": name})
    with pytest.raises(am.ArgsError, match="inner: refused by Picky"):
        amh.args_load(Holder, {"inner": {"name": name}})
    with pytest.raises(am.ArgsError, match=r"more\[1\]: refused by Picky"):
        amh.args_load(
            Holder, {"inner": {"name": "known"}, "more": [{"name": "known"}, {"name": name}]}
        )


def test_missing_and_unknown_fields_are_named_where_they_are() -> None:
    with pytest.raises(am.ArgsError, match=r"args\.inner\.name: missing"):
        amh.args_load(Holder, {"inner": {}})
    with pytest.raises(am.ArgsError, match=r"args\.inner: unknown keys for Picky"):
        amh.args_load(Holder, {"inner": {"name": "known", "evil": 1}})


def test_keys_that_the_sender_made_up_are_not_repeated() -> None:
    secret = str(uuid4())
    with pytest.raises(am.ArgsError) as refused:
        amh.args_load(Everything, {"table": {secret: [{"side": "no"}]}})
    assert secret not in str(refused.value)
    with pytest.raises(am.ArgsError) as refused:
        amh.args_load(Everything, {secret: 1})
    assert secret not in str(refused.value)


def test_without_the_extra_everything_else_works_and_loading_names_it() -> None:
    code = """
import sys
sys.modules["cattrs"] = None
import am_helpers as amh
from dataclasses import dataclass
@dataclass
class Job:
    name: str
assert amh.args_names(Job) == ("name",)
assert amh.args_log(Job("x")) == {}
for call in (lambda: amh.args_load(Job, {"name": "x"}), lambda: amh.args_dump(Job("x"))):
    try:
        call()
    except ImportError as exc:
        assert "am-helpers[args]" in str(exc), exc
    else:
        raise SystemExit("no ImportError")
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
