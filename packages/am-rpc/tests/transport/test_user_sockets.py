"""Sockets that belong to one user, and who comes in through a unix socket."""

from __future__ import annotations

import os
import socket
import stat
from typing import TYPE_CHECKING

import pytest
import trio

import am_machine as am
import am_rpc
from am_rpc._transport import address, peer_user, user_sockets
from am_rpc.testing import peers_of_user

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = {"Foo": {}}


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


def test_the_directory_is_this_users_alone(runtime: Path) -> None:
    folder = user_sockets.user_folder()
    assert folder == runtime / "asyncmachine"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert user_sockets.user_folder() == folder
    folder.chmod(0o755)
    with pytest.raises(PermissionError, match="0700"):
        user_sockets.user_folder()


def test_a_directory_that_somebody_else_planted_is_refused(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = runtime / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    (runtime / "asyncmachine").symlink_to(elsewhere)
    with pytest.raises(PermissionError, match="not a directory of this user"):
        user_sockets.user_folder()
    (runtime / "asyncmachine").unlink()
    user_sockets.user_folder()
    monkeypatch.setattr(os, "geteuid", lambda: 12_345)
    with pytest.raises(PermissionError, match="not a directory of this user"):
        user_sockets.user_folder()


def test_without_a_runtime_directory_it_is_among_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert user_sockets.user_folder() == tmp_path / f"asyncmachine-{os.geteuid()}"


def test_names_are_safe_short_and_not_taken(runtime: Path) -> None:
    folder = f"unix:{runtime}/asyncmachine"
    assert user_sockets.user_socket("m1") == f"{folder}/m1.sock"
    odd = user_sockets.user_socket("../../etc/x\n")
    assert odd.startswith(f"{folder}/")
    assert "/" not in odd.removeprefix(f"{folder}/")
    long = user_sockets.user_socket("x" * 61)
    assert long.startswith(f"{folder}/{'x' * 40}-")
    assert len(long) == len(folder) + 1 + 40 + 1 + 8 + len(".sock")
    assert user_sockets.user_socket("x" * 60) == f"{folder}/{'x' * 60}.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as taken:
        taken.bind(str(runtime / "asyncmachine" / "m1.sock"))
        assert user_sockets.user_socket("m1") == f"{folder}/m1.sock", "stale: it is replaced"
        assert user_sockets.user_sockets() == ()
        taken.listen()
        assert user_sockets.user_socket("m1") == f"{folder}/m1-2.sock"
        assert user_sockets.user_sockets("m1") == (f"{folder}/m1.sock",)
        assert user_sockets.user_sockets("m") == ()


@pytest.mark.trio
async def test_two_machines_of_one_name_get_sockets_of_their_own(runtime: Path) -> None:
    async with (
        am.Machine(SCHEMA, id="m") as one,
        am.Machine(SCHEMA, id="m") as two,
        am_rpc.repl(one) as first,
        am_rpc.repl(two) as second,
    ):
        assert first.addr.endswith("/m.sock")
        assert second.addr.endswith("/m-2.sock")
        for served in (first, second):
            async with am_rpc.connect(served.addr) as net:
                assert await net.add("Foo") is am.EXECUTED
    assert os.listdir(runtime / "asyncmachine") == []


@pytest.mark.trio
async def test_a_server_that_ends_leaves_a_newer_ones_socket_alone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    async with am.Machine(SCHEMA, id="m") as machine:
        older = await address.open_listener(address.parse_address(f"unix:{path}"))
        path.unlink()
        async with am_rpc.Mux(machine, f"unix:{path}") as newer:
            await older[0].aclose()
            address.remove_socket_file(older[1])
            async with am_rpc.connect(newer.addr) as net:
                assert await net.add("Foo") is am.EXECUTED
        assert not path.exists()


@pytest.mark.trio
async def test_another_users_process_does_not_come_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "s"
    async with am.Machine(SCHEMA, id="m") as machine, am_rpc.Mux(machine, f"unix:{path}") as mux:
        async with am_rpc.connect(mux.addr):
            pass
        monkeypatch.setattr(os, "geteuid", lambda: 1_000)
        with trio.fail_after(5), peers_of_user(12_345):
            stream = await trio.open_unix_socket(str(path))
            assert await stream.receive_some() == b""
        assert "another user" in caplog.text
        await stream.aclose()


@pytest.mark.trio
async def test_the_kernel_tells_the_user_of_a_unix_socket() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    stream = trio.SocketStream(trio.socket.from_stdlib_socket(ours))
    assert peer_user.peer_user(stream) == os.geteuid()
    assert peer_user.is_peer_trusted(stream)
    await stream.aclose()
    theirs.close()
    listener, where = await address.open_listener(address.parse_address("127.0.0.1:0"))
    client = await trio.open_tcp_stream(where.host, where.port)
    assert peer_user.peer_user(client) is None
    await client.aclose()
    await listener.aclose()
