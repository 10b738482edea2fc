"""Addresses are read strictly, and judged by who can reach them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from am_node._address import host_of, host_port, is_local, is_wildcard, join, reachable


@pytest.mark.parametrize(
    ("addr", "parts"),
    [
        ("127.0.0.1:7000", ("127.0.0.1", 7000)),
        ("node.example:0", ("node.example", 0)),
        ("[::1]:65535", ("::1", 65535)),
    ],
)
def test_an_address_has_a_host_and_a_port(addr: str, parts: tuple[str, int]) -> None:
    assert host_port(addr) == parts
    assert join(*parts) == addr


@pytest.mark.parametrize(
    "junk",
    ["", ":", "host", "host:", ":1", "host:x", "host:-1", "host:65536", "::1:7", "[::1]", "[a]:1",
     "[]:1", "host:¹", "unix:/tmp/x"],
)  # fmt: skip
def test_what_is_no_address_is_a_value_error(junk: str) -> None:
    with pytest.raises(ValueError, match=r"is not host:port|has no port"):
        host_port(junk)


@given(st.text())
def test_no_text_is_anything_but_an_address_or_a_value_error(text: str) -> None:
    try:
        host, port = host_port(text)
    except ValueError:
        return
    assert host
    assert 0 <= port < 65_536


@pytest.mark.parametrize(
    ("addr", "local"),
    [
        ("unix:/tmp/s", True),
        ("127.0.0.1:1", True),
        ("127.8.9.1:1", True),
        ("localhost:1", True),
        ("[::1]:1", True),
        ("0.0.0.0:1", False),
        ("10.0.0.1:1", False),
        ("[::]:1", False),
        ("example.com:1", False),
        ("127.evil.example:1", False),
        ("ws://127.0.0.1:80/path", True),
        ("wss://example.com", False),
    ],
)
def test_only_this_host_reaches_a_local_address(addr: str, local: bool) -> None:
    assert is_local(addr) is local


@pytest.mark.parametrize(
    ("addr", "host"),
    [
        ("unix:/tmp/s", "127.0.0.1"),
        ("a.example:1", "a.example"),
        ("ws://a.example:80/x:y", "a.example"),
        ("wss://a.example/x", "a.example"),
        ("wss://[::1]/x", "::1"),
        ("ws://[::1]:8080", "::1"),
    ],
)
def test_every_kind_of_address_is_on_some_host(addr: str, host: str) -> None:
    assert host_of(addr) == host


@pytest.mark.parametrize("junk", ["http://a:1", "ws://", "wss:///x", "nowhere"])
def test_what_is_on_no_host_is_a_value_error(junk: str) -> None:
    with pytest.raises(ValueError, match="is no"):
        host_of(junk)


def test_a_wildcard_is_replaced_by_the_host_that_is_known() -> None:
    assert is_wildcard("0.0.0.0:1")
    assert is_wildcard("[::]:1")
    assert not is_wildcard("10.0.0.1:1")
    assert reachable("0.0.0.0:7", "10.0.0.9") == "10.0.0.9:7"
    assert reachable("[::]:7", "fe80::1") == "[fe80::1]:7"
    assert reachable("10.0.0.1:7", "10.0.0.9") == "10.0.0.1:7"
