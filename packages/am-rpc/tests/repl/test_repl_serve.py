"""`am_rpc.repl` and `am_rpc.repl_env`: a machine that `arpc` can find."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import pytest
import trio

import am_machine as am
import am_rpc

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.trio

SCHEMA = {"Foo": {}}


async def test_a_machine_is_served_until_it_is_disposed(tmp_path: Path) -> None:
    async with am.Machine(SCHEMA, id="m1") as mach:
        addr = await am_rpc.repl(mach, dir=tmp_path).ready()
        assert (tmp_path / "m1.addr").read_text() == f"{addr}\n"
        async with am_rpc.connect(addr) as net:
            assert await net.add("Foo") is am.EXECUTED
    assert os.listdir(tmp_path) == []
    with pytest.raises(am_rpc.NetworkError):
        async with am_rpc.connect(addr, timeout=0.2):
            pytest.fail("connected to a machine that is no more")


async def test_serving_may_be_asked_for_before_the_machine_is_open(tmp_path: Path) -> None:
    mach = am.Machine(SCHEMA, id="m1")
    server = am_rpc.repl(mach, f"unix:{tmp_path}/sock")
    async with mach:
        assert await server.ready() == f"unix:{tmp_path}/sock" == server.addr
        async with am_rpc.connect(server.addr) as net:
            assert net.remote_id == "m1"


async def test_a_machine_that_is_never_opened_leaves_nobody_waiting() -> None:
    mach = am.Machine(SCHEMA)
    server = am_rpc.repl(mach)
    mach.dispose()
    with pytest.raises(am_rpc.NetworkError, match="not served"):
        await server.ready()


async def test_serving_can_end_before_the_machine(tmp_path: Path) -> None:
    async with am.Machine(SCHEMA, id="m1") as mach:
        async with am_rpc.repl(mach, dir=tmp_path) as server:
            assert server.path == tmp_path / "m1.addr"
            assert server.path.exists()
        assert not server.path.exists()
        assert mach.add("Foo")
        with pytest.raises(am_rpc.NetworkError):
            await server.ready()


async def test_an_address_in_use_is_told_and_does_not_disturb_the_machine(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with am.Machine(SCHEMA, id="m1") as one, am.Machine(SCHEMA, id="m2") as two:
        addr = await am_rpc.repl(one).ready()
        server = am_rpc.repl(two, addr, dir=tmp_path)
        with pytest.raises(am_rpc.NetworkError, match="not served"):
            await server.ready()
        assert two.add("Foo")
        assert not two.is_err
    assert "m2 is not served for arpc" in caplog.text
    assert os.listdir(tmp_path) == []


async def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    async with am.Machine(SCHEMA) as mach:
        with pytest.raises(am_rpc.NetworkError):
            await am_rpc.repl(mach, dir=tmp_path / "file" / "below").ready()


async def test_a_bad_address_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="not an address"):
        am_rpc.repl(am.Machine(SCHEMA), "nowhere")


async def test_options_of_the_mux_are_passed_on() -> None:
    async with am.Machine(SCHEMA) as mach:
        addr = await am_rpc.repl(mach, secret=b"s3cret").ready()
        with pytest.raises(am_rpc.NoAccess):
            async with am_rpc.connect(addr, secret=b"wrong"):
                pytest.fail("a wrong secret was good")
        async with am_rpc.connect(addr, secret=b"s3cret") as net:
            assert await net.add("Foo") is am.EXECUTED


@pytest.mark.parametrize("value", ["", "0", "off", "false"])
async def test_nothing_is_served_unless_the_environment_says_so(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("AM_REPL_ADDR", value)
    async with am.Machine(SCHEMA) as mach:
        assert am_rpc.repl_env(mach) is None
    monkeypatch.delenv("AM_REPL_ADDR")
    async with am.Machine(SCHEMA) as mach:
        assert am_rpc.repl_env(mach) is None


async def test_the_environment_names_address_and_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, user_dir: Path
) -> None:
    monkeypatch.setenv("AM_REPL_ADDR", "1")
    monkeypatch.setenv("AM_REPL_DIR", str(tmp_path))
    async with am.Machine(SCHEMA, id="m1") as mach:
        server = am_rpc.repl_env(mach)
        assert server is not None
        addr = await server.ready()
        assert addr == f"unix:{user_dir / 'm1.sock'}"
        assert (tmp_path / "m1.addr").exists()


async def test_junk_in_the_environment_is_logged_and_ignored(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AM_REPL_ADDR", "nowhere")
    with caplog.at_level(logging.WARNING):
        async with am.Machine(SCHEMA) as mach:
            assert am_rpc.repl_env(mach) is None
    assert "AM_REPL_ADDR" in caplog.text


async def test_leaving_cancelled_still_removes_the_file(tmp_path: Path) -> None:
    mach = am.Machine(SCHEMA, id="m1")
    with trio.CancelScope() as scope:
        async with mach, am_rpc.repl(mach, dir=tmp_path):
            scope.cancel()
            await trio.sleep_forever()
    assert os.listdir(tmp_path) == []
