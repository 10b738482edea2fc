"""Who may ask for a page."""

from __future__ import annotations

import pytest

from am_debugger._serve.guard import Guard

HERE = Guard(is_loopback=True)
PROXIED = Guard(is_loopback=True, public_url="https://debugger.example")
OPEN = Guard(is_loopback=False)


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "[::1]:8000", "127.9.9.9"])
def test_names_of_this_computer_are_taken(host: str) -> None:
    assert HERE.fault({"Host": host}) is None
    assert HERE.fault({"Host": host, "Origin": f"http://{host}"}) is None


@pytest.mark.parametrize(
    "host",
    [
        "", "debugger.example", "127.0.0.1.example", "localhost.example", "10.0.0.1", "0.0.0.0",
        "127.0.0.1@example", "a:b", "[::1", "2130706433", "evil@debugger.example:80:80",
    ],
)  # fmt: skip
def test_a_foreign_host_is_refused(host: str) -> None:
    assert HERE.fault({"Host": host}) is not None


@pytest.mark.parametrize(
    "origin",
    [
        "null", "", "http://evil.example", "http://localhost:8000", "http://127.0.0.1:8001",
        "http://127.0.0.1", "https://127.0.0.1", "file://", "http://127.0.0.1:8000.evil.example",
        "chrome-extension://127.0.0.1:8000", "http://127.0.0.1:99999999",
    ],
)  # fmt: skip
def test_a_foreign_origin_is_refused(origin: str) -> None:
    headers = {"Host": "127.0.0.1:8000", "Origin": origin}
    assert HERE.fault(headers) == "a foreign Origin"


def test_behind_a_proxy_its_address_is_taken_and_no_other() -> None:
    asked = {"Host": "debugger.example", "Origin": "https://debugger.example"}
    assert PROXIED.fault(asked) is None
    assert PROXIED.fault({"Host": "127.0.0.1:8000", "Origin": "https://debugger.example"}) is None
    assert PROXIED.fault({"Host": "127.0.0.1:8000", "Origin": "https://evil.example"}) is not None
    assert PROXIED.fault({"Host": "evil.example"}) is not None
    assert HERE.fault(asked) is not None


def test_where_others_may_reach_it_any_host_but_no_foreign_origin_is_taken() -> None:
    assert OPEN.fault({"Host": "server.lan:8000"}) is None
    assert OPEN.fault({"Host": "server.lan:8000", "Origin": "http://server.lan:8000"}) is None
    assert OPEN.fault({"Host": "server.lan:8000", "Origin": "http://other.lan:8000"}) is not None
