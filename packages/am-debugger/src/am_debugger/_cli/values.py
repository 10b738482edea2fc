"""Texts that people write as options, and what they stand for."""

from __future__ import annotations

import argparse
import re
from urllib.parse import urlsplit

from am_telemetry import dbg

from .._derive.url import parse_url
from .._errors import UrlError

_TIME = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)?")
_PLACES = (
    "A place is mach://ID, mach://ID/TX or mach://ID/TX/STEP, each with ?t=, ht=, q=, group= or "
    "state=;\na dump is opened by --import FILE."
)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, None: 1}


class UsageError(Exception):
    """An option cannot be what it is; the text says why."""


def address(text: str) -> dbg.Address:
    """`host:port` or `unix:PATH`."""
    try:
        return dbg.parse_address(text)
    except dbg.AddressError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from exc


def host_port(text: str) -> dbg.Address:
    """`host:port`, where a browser or `arpc` connects."""
    found = address(text)
    if found.path is not None:
        raise argparse.ArgumentTypeError(f"{text!r} is no HOST:PORT")
    return found


def seconds(text: str) -> float:
    """A time such as 90, 90s, 15m, 1h."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 90s, 15m, 1h")
    return float(found[1]) * _UNITS[found[2]]


def positive(text: str) -> int:
    """A whole number above zero."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above zero")
    return number


def hours(text: str) -> float:
    """A time above zero, in hours."""
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no time above zero")
    return number


def url(text: str) -> str:
    """The address of a machine."""
    try:
        parse_url(text)
    except UrlError as exc:
        raise argparse.ArgumentTypeError(f"{exc}\n{_PLACES}") from exc
    return text


def web_url(text: str) -> str:
    """The address of a page: scheme, host, maybe a port, no path."""
    try:
        parts = urlsplit(text)
        has_host = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        fits = has_host and not (parts.path.rstrip("/") or parts.query or parts.fragment)
    except ValueError:
        fits = False
    if not fits:
        raise argparse.ArgumentTypeError(f"{text!r} is no address such as https://host")
    return text.rstrip("/")
