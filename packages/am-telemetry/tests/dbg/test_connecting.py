"""Going through the addresses of a debugger: what is numeric, what is looked up, and pauses."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from am_telemetry._dbg import connecting
from am_telemetry._dbg.addresses import Address
from am_telemetry._dbg.connecting import Dialer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAMED = Address("debugger.invalid", 1)


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def look_ups(monkeypatch: pytest.MonkeyPatch) -> dict[str, Callable[[list[Any]], None]]:
    """Look-ups under way by their host; each ends when it is called, with what it has found."""
    under_way: dict[str, Callable[[list[Any]], None]] = {}

    class Slow(connecting.LookUp):
        def _run(self) -> None:
            host = self._address.host
            under_way[host] = lambda found: setattr(self, "found", found)
            started.set()

    started = threading.Event()
    monkeypatch.setattr(connecting, "LookUp", Slow)
    return under_way


def looked_up(under_way: dict[str, Any], host: str) -> Callable[[list[Any]], None]:
    """The look-up of a host, which has begun in a thread of its own."""
    for thread in threading.enumerate():
        if thread.name == "am-telemetry look-up":
            thread.join(10)
    return under_way[host]  # type: ignore[no-any-return]


def test_a_numeric_host_is_connected_to_at_once(port: int) -> None:
    opened = Dialer(lambda: [Address("127.0.0.1", port)]).begin()
    assert opened is not None
    assert opened.hostname == "127.0.0.1"
    opened.sock.close()


def test_the_next_address_is_tried_where_one_lets_nobody_begin(port: int, tmp_path: Any) -> None:
    absent = Address("", 0, str(tmp_path / "nobody"))
    dialer = Dialer(lambda: [absent, Address("127.0.0.1", port)])
    opened = dialer.begin()
    assert opened is not None
    assert opened.sock.family == socket.AF_INET
    opened.sock.close()
    assert dialer.next() is None
    assert not dialer.is_looking_up


def test_a_name_is_looked_up_and_then_connected_to(look_ups: dict[str, Any], port: int) -> None:
    dialer = Dialer(lambda: [NAMED])
    assert dialer.begin() is None
    assert dialer.is_looking_up
    assert dialer.poll() is None
    place = connecting.Place(socket.AF_INET, ("127.0.0.1", port), NAMED.host)
    looked_up(look_ups, NAMED.host)([place])
    opened = dialer.poll()
    assert opened is not None
    assert opened.hostname == NAMED.host
    opened.sock.close()


def test_without_such_a_host_the_next_address_is_tried(look_ups: dict[str, Any], port: int) -> None:
    dialer = Dialer(lambda: [NAMED, Address("127.0.0.1", port)])
    assert dialer.begin() is None
    looked_up(look_ups, NAMED.host)([])
    opened = dialer.poll()
    assert opened is not None
    opened.sock.close()


def test_what_an_abandoned_look_up_finds_is_not_taken_for_the_next_ones(
    look_ups: dict[str, Any], port: int
) -> None:
    other = Address("other.invalid", 2)
    dialer = Dialer(lambda: [NAMED, other])
    assert dialer.begin() is None
    assert dialer.next() is None
    looked_up(look_ups, NAMED.host)(
        [connecting.Place(socket.AF_INET, ("127.0.0.1", port), NAMED.host)]
    )
    assert dialer.poll() is None
    looked_up(look_ups, other.host)([])
    assert dialer.poll() is None
    assert not dialer.is_looking_up


def test_pauses_double_up_to_a_bound_until_a_connection_lives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connecting, "monotonic", lambda: 100.0)
    monkeypatch.setattr(connecting, "JITTER", 0.0)
    dialer = Dialer(list)
    pauses = []
    for _ in range(9):
        dialer.rest()
        pauses.append(dialer.next_try - 100)
    assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10])
    dialer.succeeded()
    dialer.rest()
    assert dialer.next_try == pytest.approx(100.1)
    dialer.reset()
    assert dialer.next_try == 0
