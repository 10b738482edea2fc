"""Who may ask: pages of this server alone, under a name that means this computer.

A page of somebody else's, open in the same browser, can reach a server on loopback: its requests
carry a foreign `Origin`, or, where its name was made to mean this computer, a foreign `Host`.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; connect-src 'self' ws: wss:; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""What each answer carries: nothing is fetched from elsewhere, and nobody frames the page."""


@dataclass(frozen=True, slots=True)
class Guard:
    """Judges requests by their headers. `is_loopback`: only this computer reaches the server.
    `public_url`: by what others reach it, through a proxy."""

    is_loopback: bool
    public_url: str | None = None

    def fault(self, headers: Mapping[str, str]) -> str | None:
        """Why a request is refused; None if it is not."""
        host = _split(f"//{headers.get('Host', '')}")
        if host is None or not host.hostname:
            return "no Host"
        public = _split(self.public_url or "")
        is_public = public is not None and _same_place(host, public)
        if self.is_loopback and not is_public and not _means_loopback(host.hostname):
            return "a foreign Host"
        origin = headers.get("Origin")
        if origin is None:
            return None
        asking = _split(origin)
        if asking is None or asking.scheme not in ("http", "https"):
            return "a foreign Origin"
        if _same_place(asking, host) or (public is not None and _same_place(asking, public)):
            return None
        return "a foreign Origin"


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises where it is none
    except ValueError:
        return None
    return parts if parts.netloc else None


def _same_place(one: SplitResult, other: SplitResult) -> bool:
    """Whether host and port are the same; a port that is not given is that of the scheme."""
    scheme = one.scheme or other.scheme
    usual = 443 if scheme == "https" else 80
    return one.hostname == other.hostname and (one.port or usual) == (other.port or usual)


def _means_loopback(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
