"""Addresses of machines, transitions and steps: `mach://ID/TX/STEP?state=Ready`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote, unquote

from .._errors import UrlError
from .._store.layout import ID_BYTES, MOST

SCHEME = "mach://"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# The last microsecond that has four digits for its year.
LATEST_TIME = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_KEYS = ("t", "ht", "q", "group", "state")
_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_LONGEST = 8192


@dataclass(frozen=True, slots=True)
class MachineUrl:
    """A place in a machine's history.

    Where several are given, the transition's id wins over `time_sum` (machine time), that over
    `time` (microseconds since 1970), that over `queue_tick`.
    """

    machine_id: str
    tx: bytes | None = None
    step: int | None = None
    time_sum: int | None = None
    time: int | None = None
    queue_tick: int | None = None
    group: str | None = None
    state: str | None = None

    @property
    def names_moment(self) -> bool:
        """Whether it says which transition is meant, and not the machine alone."""
        moments = (self.tx, self.time_sum, self.time, self.queue_tick)
        return any([moment is not None for moment in moments])

    def __str__(self) -> str:
        path = quote(self.machine_id, safe="")
        if self.tx is not None:
            path += f"/{self.tx.hex()}"
            if self.step is not None:
                path += f"/{self.step}"
        pairs = [
            ("t", self.time_sum),
            ("ht", None if self.time is None else format_time(self.time)),
            ("q", self.queue_tick),
            ("group", self.group),
            ("state", self.state),
        ]
        query = "&".join(
            [f"{key}={quote(str(value), safe=':')}" for key, value in pairs if value is not None]
        )
        return SCHEME + path + (f"?{query}" if query else "")


def parse_url(text: str) -> MachineUrl:
    """Read an address.

    :raises UrlError: if it is none.
    """
    if len(text) > _LONGEST:
        raise UrlError(text, f"it is longer than {_LONGEST} characters")
    if not text.lower().startswith(SCHEME):
        raise UrlError(text, f"it does not begin with {SCHEME}")
    path, _, query = text[len(SCHEME) :].partition("?")
    machine_id, *rest = path.split("/")
    if len(rest) > 2:
        raise UrlError(text, "after the step comes nothing more")
    if not machine_id:
        raise UrlError(text, "it names no machine")
    tx = _tx(text, rest[0]) if rest and rest[0] else None
    step = _number(text, "step", rest[1]) if len(rest) == 2 and rest[1] else None
    if step is not None and tx is None:
        raise UrlError(text, "it names a step of no transition")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=20)
        name = unquote(machine_id, errors="strict")
    except ValueError as exc:
        raise UrlError(text, str(exc)) from exc
    values = dict(pairs)
    if len(values) < len(pairs) or not values.keys() <= set(_KEYS):
        raise UrlError(text, f"it may have each of {', '.join(_KEYS)} once, and nothing else")
    return MachineUrl(
        machine_id=name,
        tx=tx,
        step=step,
        time_sum=_number(text, "t", values["t"]) if "t" in values else None,
        time=_time(text, values["ht"]) if "ht" in values else None,
        queue_tick=_number(text, "q", values["q"]) if "q" in values else None,
        group=values.get("group"),
        state=values.get("state"),
    )


def _tx(url: str, text: str) -> bytes:
    if not re.fullmatch(rf"[0-9a-fA-F]{{{2 * ID_BYTES}}}", text):
        raise UrlError(url, f"{text!r:.50} is no id of a transition, {2 * ID_BYTES} hex digits")
    return bytes.fromhex(text)


def _number(url: str, name: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text, re.ASCII) or int(text) >= MOST:
        raise UrlError(url, f"{name} is {text!r:.50}, not a number")
    return int(text)


def _time(url: str, text: str) -> int:
    # A plus in a query means a blank to many programs.
    text = text.replace(" ", "+")
    try:
        return parse_time(text)
    except ValueError as exc:
        raise UrlError(url, f"ht is {text!r:.50}: {exc}") from exc


def format_time(time: int) -> str:
    """Microseconds since 1970 as RFC 3339 in UTC; times after the year 9999 as its end."""
    moment = _EPOCH + min(time, LATEST_TIME) * _MICROSECOND
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_time(text: str) -> int:
    """RFC 3339 as microseconds since 1970.

    :raises ValueError: if it is none, or before 1970.
    """
    if not _RFC3339.fullmatch(text):
        raise ValueError("not a time of RFC 3339")
    time = (datetime.fromisoformat(text.upper().replace("Z", "+00:00")) - _EPOCH) // _MICROSECOND
    if time < 0:
        raise ValueError("before 1970")
    return time
