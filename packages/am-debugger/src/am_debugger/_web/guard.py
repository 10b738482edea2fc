"""Who may ask: a browser that was sent here by its user, not by a page of somebody else.

A page of another site may make a browser ask this server, and a name that its owner points at this
host makes that look like its own site. The first is told by `Origin`, the second by `Host`.
"""

from __future__ import annotations

from ipaddress import ip_address

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = (
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("cross-origin-resource-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
)
"""Of each answer: pages and files are shown as what they are, and by nobody else."""


def is_loopback(host: str) -> bool:
    """Whether a host, as in an address or a URL, is this one for sure."""
    name = host.strip("[]").lower()
    if name == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def is_own(host: str, origin: str | None) -> bool:
    """Whether these headers are those of a page of this server, or of none."""
    name, colon, port = host.rpartition(":")
    if not colon or not port.isdecimal():
        name = host
    return is_loopback(name) and origin in (None, f"http://{host}")
