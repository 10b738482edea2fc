"""Asking an endpoint whether it is there, for a few seconds at most."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
import urllib.error
import urllib.request
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .._errors import AddressError, GrafanaError
from .._grafana.api import NoRedirect, Session
from .._setup.prometheus import parsed

if TYPE_CHECKING:
    from collections.abc import Mapping

LIMIT = 2.0
"""Seconds that one endpoint may take."""
# Characters of an answer that is none which are told.
_REPEATED = 100


class NoAnswer(Exception):
    """An endpoint is not there, or not what it should be; the message says what was found."""


def http_answers(
    url: str, *, method: str = "GET", data: bytes | None = None, headers: Mapping[str, str] = {}
) -> None:
    """Ask for a page.

    :raises NoAnswer: if it fails or is refused.
    """
    if not url.startswith(("http://", "https://")):
        raise NoAnswer("no address of HTTP")
    opener = urllib.request.build_opener(NoRedirect)
    try:
        request = urllib.request.Request(url, data=data, headers=dict(headers), method=method)
        with opener.open(request, timeout=LIMIT) as answer:
            answer.read(1)
    except urllib.error.HTTPError as exc:
        with exc:
            raise NoAnswer(f"answers with {exc.code} {exc.reason}") from None
    except (OSError, ValueError) as exc:
        raise NoAnswer(_reason(exc)) from exc
    except http.client.HTTPException as exc:
        raise NoAnswer(f"its answer is no HTTP: {repr(exc)[:_REPEATED]}") from exc


def takes_otlp(url: str, headers: Mapping[str, str]) -> None:
    """Send an export of nothing, which is an empty message.

    :raises NoAnswer: if it fails or is refused.
    """
    kind = {"Content-Type": "application/x-protobuf"}
    http_answers(url, method="POST", data=b"", headers={**kind, **headers})


def grafana_answers(url: str, token: str | None) -> None:
    """Ask for its health, and for folders with the token.

    :raises NoAnswer: if it fails, or the token is refused.
    """
    try:
        session = Session(url, token)
        deadline = time.monotonic() + LIMIT
        session.ask("GET", "/api/health", deadline)
        session.ask("GET", "/api/folders?limit=1", deadline)
    except GrafanaError as exc:
        raise NoAnswer(str(exc)) from exc


def debugger_addresses(address: str) -> tuple[str, ...]:
    """Return the places that the address of a debugger stands for, the best first.

    :raises NoAnswer: if the extra of the stream is missing.
    """
    try:
        from .._dbg.addresses import resolve
    except ImportError as exc:
        raise NoAnswer(str(exc)) from None
    try:
        return tuple(map(str, resolve(address)))
    except AddressError as exc:
        raise NoAnswer(str(exc)) from exc


def accepts(address: str) -> None:
    """Connect to `host:port` or `unix:PATH`, and leave.

    :raises NoAnswer: if nothing accepts.
    """
    from .._dbg.addresses import parse_address

    try:
        place = parse_address(address)
        if place.path is None:
            socket.create_connection((place.host, place.port), LIMIT).close()
            return
        with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as client:
            client.settimeout(LIMIT)
            client.connect(place.path)
    except (OSError, ValueError) as exc:
        raise NoAnswer(_reason(exc)) from exc


def is_free(address: str) -> bool:
    """Whether a program could listen at `host:port`.

    :raises NoAnswer: if nobody can, for another reason than that somebody does.
    """
    host, port = parsed(address)
    try:
        family, kind, proto, _, where = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with closing(socket.socket(family, kind, proto)) as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind(where)
            server.listen(1)
    except OSError as exc:
        try:
            accepts(address)
        except NoAnswer:
            raise NoAnswer(f"nobody can listen there: {_reason(exc)}") from exc
        return False
    return True


def certificate_loads(path: str) -> None:
    """Read a certificate to trust.

    :raises NoAnswer: if there is none.
    """
    try:
        ssl.create_default_context(cafile=path)
    except (OSError, ValueError) as exc:
        raise NoAnswer(_reason(exc)) from exc


def without_credentials(url: str) -> str:
    """Return an address as it may be shown; anything else as it is."""
    if "://" not in url:
        return url
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(not shown)"
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()


def _reason(exc: BaseException) -> str:
    reason = getattr(exc, "reason", exc)
    if isinstance(reason, TimeoutError):
        return f"no answer within {LIMIT:g} s"
    return str(getattr(reason, "strerror", None) or reason) or type(exc).__name__
