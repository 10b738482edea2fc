"""The short way to a worker on the client's own host."""

import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import trio

from am_node._client.near import is_near, near_dialer


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "am-node-1-abc"
    folder.mkdir()
    path = folder / "s"
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(path))
        listener.listen()
        yield path


def test_only_a_unix_socket_of_this_user_is_near(
    listening: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = listening.parent
    (folder / "file").touch()
    (folder / "link").symlink_to(listening)
    assert is_near(f"unix:{listening}")
    for other in (folder / "file", folder / "link", folder / "none", folder, tmp_path):
        assert not is_near(f"unix:{other}")
    foreign = tmp_path / "agent" / "s"
    foreign.parent.mkdir()
    os.link(listening, foreign)
    assert not is_near(f"unix:{foreign}")
    for nonsense in ("", "unix:", "127.0.0.1:1", str(listening), "unix:\0", "unix:" + "x" * 9999):
        assert not is_near(nonsense)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert not is_near(f"unix:{listening}")


@pytest.mark.trio
async def test_who_does_not_listen_near_is_called_by_tcp(listening: Path) -> None:
    (far,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    addr = f"127.0.0.1:{far.socket.getsockname()[1]}"
    dial = near_dialer(f"unix:{listening}", addr)
    async with await dial() as stream:
        assert isinstance(stream, trio.SocketStream)
        assert stream.socket.family == socket.AF_UNIX
    os.unlink(listening)
    async with await dial() as stream:
        assert isinstance(stream, trio.SocketStream)
        assert stream.socket.family == socket.AF_INET
    await far.aclose()
    with pytest.raises(OSError, match="connect"):
        await dial()


def test_the_other_way_has_to_be_an_address(listening: Path) -> None:
    with pytest.raises(ValueError, match="not host:port"):
        near_dialer(f"unix:{listening}", "nowhere")
