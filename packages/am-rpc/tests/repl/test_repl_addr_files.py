"""Address files: written safely, read with suspicion."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from am_rpc._repl import _addr_files, _shell
from am_rpc._repl._addr_files import Source

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_holds_one_line_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = _addr_files.write(tmp_path / "new" / "dir", "worker-1", "127.0.0.1:6000")
    assert path == tmp_path / "new" / "dir" / "worker-1.addr"
    assert path.read_text() == "127.0.0.1:6000\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_folders_and_history_can_be_used_whatever_the_umask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    before = os.umask(0o777)
    try:
        _addr_files.write(tmp_path / "new" / "dir", "worker-1", "127.0.0.1:6000")
        _shell._history()
    finally:
        os.umask(before)
    folders = [tmp_path / "new", tmp_path / "new" / "dir", tmp_path / "state" / "arpc"]
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in folders] == [0o700] * 3
    assert stat.S_IMODE((tmp_path / "state" / "arpc" / "history").stat().st_mode) == 0o600


def test_no_draft_is_left_beside_the_file(tmp_path: Path) -> None:
    _addr_files.write(tmp_path, "a", "127.0.0.1:1")
    _addr_files.write(tmp_path, "a", "127.0.0.1:2")
    assert [path.name for path in tmp_path.iterdir()] == ["a.addr"]
    assert _addr_files.read(tmp_path / "a.addr") == (("127.0.0.1:2",), ())


@pytest.mark.parametrize(
    "machine_id", ["../../etc/x", "a/b", "a b", "", ".hidden", "ü" * 500, "\ud800"]
)
def test_any_id_makes_a_name_inside_the_directory(tmp_path: Path, machine_id: str) -> None:
    path = _addr_files.write(tmp_path, machine_id, "127.0.0.1:1")
    assert path.parent == tmp_path
    assert path in Source(folder=tmp_path).files()


def test_ids_that_look_alike_in_a_name_have_different_files() -> None:
    names = {_addr_files.file_name(name) for name in ("a/b", "a_b", "a b", "A_b")}
    assert len(names) == 4


def test_a_link_in_the_way_is_replaced_and_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "a.addr").symlink_to(victim)
    _addr_files.write(tmp_path, "a", "127.0.0.1:1")
    assert victim.read_text() == "precious"
    assert not (tmp_path / "a.addr").is_symlink()


def test_only_the_own_address_is_removed(tmp_path: Path) -> None:
    path = _addr_files.write(tmp_path, "a", "127.0.0.1:1")
    _addr_files.remove(path, "127.0.0.1:2")
    assert path.exists()
    _addr_files.remove(path, "127.0.0.1:1")
    _addr_files.remove(path, "127.0.0.1:1")
    assert not path.exists()


def test_a_list_of_addresses_may_have_comments(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text("# ours\n127.0.0.1:1\n\n  unix:/tmp/x  \n127.0.0.1:1\n")
    assert Source(file=path).load() == (("127.0.0.1:1", "unix:/tmp/x"), ())


def test_files_below_the_directory_are_found_in_order_and_each_address_once(tmp_path: Path) -> None:
    _addr_files.write(tmp_path / "z", "b", "127.0.0.1:2")
    _addr_files.write(tmp_path / "a" / "deep", "c", "127.0.0.1:3")
    _addr_files.write(tmp_path, "d", "127.0.0.1:2")
    (tmp_path / "notes.txt").write_text("127.0.0.1:9")
    assert Source(folder=tmp_path).load() == (("127.0.0.1:3", "127.0.0.1:2"), ())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no named pipes")
def test_what_is_no_address_file_is_told_and_passed_over(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.addr")
    (tmp_path / "dir.addr").mkdir()
    (tmp_path / "long.addr").write_text("#" * (_addr_files.MAX_BYTES + 1))
    (tmp_path / "bad.addr").write_bytes(b"\xff\xfe\x1b[31m")
    _addr_files.write(tmp_path, "good", "127.0.0.1:1")
    addrs, faults = Source(folder=tmp_path).load()
    assert addrs == ("127.0.0.1:1",)
    assert len(faults) == 3
    assert all(fault.startswith(str(tmp_path)) for fault in faults)


def test_a_missing_list_is_a_fault_and_no_error(tmp_path: Path) -> None:
    addrs, faults = Source(file=tmp_path / "gone").load()
    assert addrs == ()
    assert faults == (f"{tmp_path / 'gone'}: no such file",)


def test_the_stamp_differs_after_each_kind_of_change(tmp_path: Path) -> None:
    source = Source(folder=tmp_path)
    stamps = [source.stamp()]
    path = _addr_files.write(tmp_path, "a", "127.0.0.1:1")
    stamps.append(source.stamp())
    _addr_files.write(tmp_path, "a", "127.0.0.1:2")
    stamps.append(source.stamp())
    _addr_files.write(tmp_path / "below", "b", "127.0.0.1:3")
    stamps.append(source.stamp())
    path.unlink()
    stamps.append(source.stamp())
    assert len(set(stamps)) == 5


def test_given_addresses_never_change() -> None:
    assert not Source(("127.0.0.1:1",)).changes
    assert Source(("127.0.0.1:1",)).stamp() == ()
