"""Addresses that are none, and places where nobody can listen: told at once, in plain words."""

from __future__ import annotations

import errno
import logging
from typing import TYPE_CHECKING, Any

import pytest
import trio

import am_machine as am
import am_rpc
from am_rpc._transport.address import accept, parse_address

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("host", ["é" * 80, "." * 300, "a..b", "x" * 64])
def test_what_can_be_no_name_of_a_host_is_no_address(host: str) -> None:
    for address in (f"{host}:6000", f"ws://{host}/path"):
        with pytest.raises(ValueError, match="no name of a host"):
            am_rpc.Client(address)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "localhost", "plant.example.", "bücher.example"]
)
def test_names_of_hosts_are_taken_as_they_are(host: str) -> None:
    assert str(parse_address(f"{host}:6000")) == f"{host}:6000"


@pytest.mark.parametrize("address", [5, None, b"127.0.0.1:6000", ("127.0.0.1", 6000)])
def test_a_client_is_told_at_once_what_is_no_address(address: Any) -> None:
    with pytest.raises(ValueError, match=f"an address is a str, not {type(address).__name__}"):
        am_rpc.Client(address)


@pytest.mark.trio
async def test_a_file_that_is_no_socket_is_told_as_such(
    tmp_path: Path, autojump_clock: object
) -> None:
    path = tmp_path / "plain"
    path.write_text("kept")
    address = f"unix:{path}"
    async with am.Machine({"Foo": {}}) as source:
        with pytest.raises(am_rpc.NetworkError, match="the file there is no socket"):
            async with am_rpc.Mux(source, address):
                pass
    with pytest.raises(am_rpc.NetworkTimeout, match="the file there is no socket"):
        async with am_rpc.connect(address):
            pass
    assert path.read_text() == "kept"


class _Exhausted(trio.abc.Listener[trio.abc.Stream]):
    """Fails for want of descriptors for a while, and then has nobody."""

    def __init__(self, failures: int) -> None:
        self._left = failures

    async def accept(self) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        if not self._left:
            raise trio.ClosedResourceError
        self._left -= 1
        raise OSError(errno.EMFILE, "Too many open files")

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


@pytest.mark.trio
async def test_a_process_without_descriptors_says_so_once(
    caplog: pytest.LogCaptureFixture, autojump_clock: object
) -> None:
    with caplog.at_level(logging.WARNING, "am_rpc"):
        assert await accept(_Exhausted(600)) is None
    assert caplog.messages == ["no connection can be accepted: too many open files; trying again"]
