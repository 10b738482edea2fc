"""`am-dbg render` and `am-dbg cut`: pictures and smaller dumps, without a screen."""

from __future__ import annotations

import gzip
import itertools
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import am_helpers as amh
import am_machine as am
from am_debugger._cli.main import main
from am_debugger._derive.url import MachineUrl, format_time
from am_debugger._files.dump_reader import read_dump
from am_debugger._files.dump_writer import write_dump
from am_debugger._store.link import Link
from am_debugger._store.store import Store
from am_telemetry import dbg

from ..exporter import Exporter
from ..messages import process
from ..recording import Recorder

if TYPE_CHECKING:
    from am_debugger._store.client import Client

WRITER = process("writer", host="secret-host", argv0="/home/me/writer.py")
HIDDEN = ("alice", "bob", "secret-host", "/home/me", "s3cret", "boss")


def loaded(path: Path) -> Store:
    store = Store()
    *_, reading = read_dump(store, path)
    assert reading.warnings == []
    return store


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    """Two machines of 300 transitions each, with args, logs, tags and sources."""
    store = Store()
    link = Link(store, process("home", host="secret-host", argv0="/home/me/prog.py"))
    exporters = [Exporter(link, "alice", 1), Exporter(link, "bob", 2)]
    exporters[1].announce(parent="alice", tags=("owner:boss", "plain", "src-id:alice"))
    for k in range(300):
        for exporter in exporters:
            other = exporters[0].rows[-1].sent.id if exporters[0].rows else b"\1" * 8
            exporter.do(
                [2],
                {2: 1},
                time=1000 + 10 * k,
                kind=exporter.ticks[2] % 2,
                args={"who": "bob", "password": "s3cret"},
                log=((2, "[state] +Work of alice"),),
                stack=("/home/me/prog.py:1",),
                source=("alice", other, k),
            )
    link.take(dbg.Log(1, 1500, 2, "alice told bob"), 0)
    path = tmp_path / "run.amdbg.gz"
    list(write_dump(store, path, WRITER))
    return path


def machine_of(store: Store, id: str) -> Client:
    found = store.get(id)
    assert found is not None
    return found


def test_a_stretch_of_time_is_cut_out_with_clocks_as_they_were(
    dump: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    since, until = format_time(2000), format_time(2500)
    assert main(["cut", str(dump), "--from", since, "--to", until]) == 0
    path = dump.with_name("run-cut.amdbg.gz")
    assert "2 machines, 102 transitions" in capsys.readouterr().out
    before, after = loaded(dump), loaded(path)
    old, new = machine_of(before, "alice"), machine_of(after, "alice")
    assert new.columns.times.shown[0] == 2000
    assert new.columns.times.shown[-1] == 2500
    assert new.lost == 0
    first = old.find_id(new.columns.id_of(1))
    assert first is not None
    assert new.clock_before(1) == old.clock_before(first)
    assert new.clock_after(new.last) == old.clock_after(first + new.last - 1)


def test_a_part_may_begin_at_an_address_and_end_after_the_last(dump: Path) -> None:
    store = loaded(dump)
    url = str(MachineUrl("bob", machine_of(store, "bob").columns.id_of(200)))
    assert main(["cut", str(dump), "--from", url, "--machines", "b*", "-o", str(dump) + ".gz"]) == 0
    after = loaded(Path(str(dump) + ".gz"))
    assert [client.id for client in after] == ["bob"]
    assert len(machine_of(after, "bob").columns) == 101


def test_a_part_in_which_nothing_happened_has_the_clocks_of_then(dump: Path) -> None:
    assert main(["cut", str(dump), "--from", format_time(10**9)]) == 0
    after = loaded(dump.with_name("run-cut.amdbg.gz"))
    old, new = machine_of(loaded(dump), "alice"), machine_of(after, "alice")
    assert len(new.columns) == 0
    assert list(new.columns.ticks) == list(old.columns.ticks)


def test_what_is_nobody_elses_business_is_left_out(dump: Path) -> None:
    assert main(["cut", str(dump), "--redact", "args,logs,ids"]) == 0
    path = dump.with_name("run-cut.amdbg.gz")
    raw = gzip.decompress(path.read_bytes())
    for word in HIDDEN:
        assert word.encode() not in raw, word
    before, after = loaded(dump), loaded(path)
    assert after.transitions == before.transitions
    child = next(client for client in after if client.parent_id is not None)
    parent = after.parent_of(child)
    assert parent is not None
    assert child.tags == ("owner:redacted", "plain", f"src-id:{parent.id}")
    tx = after.tx(child, 7)
    assert after.find_source(child, tx.source) == (parent, 7)  # type: ignore[arg-type]
    assert tx.args == {"who": "redacted", "password": "redacted"}
    assert (tx.log, tx.stack) == ((), ())
    assert child.columns.ticks == machine_of(before, "bob").columns.ticks


def test_ids_are_replaced_within_texts_that_stay(dump: Path) -> None:
    assert main(["cut", str(dump), "--redact", "ids"]) == 0
    after = loaded(dump.with_name("run-cut.amdbg.gz"))
    child = next(client for client in after if client.parent_id is not None)
    parent = after.parent_of(child)
    assert parent is not None
    tx = after.tx(child, 1)
    assert tx.args["who"] == child.id
    assert tx.log[0][1] == f"[state] +Work of {parent.id}"
    assert parent.outer_log[0].text == f"{parent.id} told {child.id}"


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["cut", "DUMP", "--redact", "all"], "args,logs,ids"),
        (["cut", "DUMP", "--machines", "carol"], "no machine carol"),
        (["cut", "DUMP", "--from", "yesterday"], "yesterday"),
        (["cut", "DUMP", "--from", "mach://carol"], "carol is not in the dump"),
        (["cut", "DUMP", "--from", format_time(9), "--to", format_time(8)], "comes after"),
        (["cut", "DUMP", "-o", "DUMP"], "does not replace"),
        (["render", "DUMP", "nonsense"], "no address"),
        (["render", "DUMP", "mach://carol"], "not in the dump"),
    ],
)
def test_what_cannot_be_is_told_in_a_line(
    dump: Path, capsys: pytest.CaptureFixture[str], argv: list[str], told: str
) -> None:
    before = dump.read_bytes()
    assert main([str(dump) if word == "DUMP" else word for word in argv]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("am-dbg: ")
    assert told in line
    assert dump.read_bytes() == before


def test_no_dump_is_another_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("render", "cut"):
        more = ["mach://a"] if command == "render" else []
        assert main([command, str(tmp_path / "nothing"), *more]) == 4
    assert capsys.readouterr().err.count("\n") == 2


def pipeline(tmp_path: Path) -> tuple[Path, str]:
    """Four machines in a row, each joined to the next by a pipe."""
    store = Store()
    recorder = Recorder(Link(store, process()))
    row = [am.Machine({"Go": {}, "Idle": {"remove": ["Go"]}}, id=f"w{k}") for k in range(5)]
    for one, other in itertools.pairwise(row):
        amh.bind(one, other, "Go")
    for machine in row:
        recorder.bind(machine)
    row[0].add("Go")
    recorder.flush()
    path = tmp_path / "row.amdbg.gz"
    list(write_dump(store, path, WRITER))
    client = store.get("w0")
    assert client is not None
    return path, str(MachineUrl("w0", client.columns.id_of(1), state="Go"))


def test_presets_draw_what_their_names_say(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, url = pipeline(tmp_path)
    out = tmp_path / "out"

    def drawn(*argv: str) -> dict[str, str]:
        assert main(["render", str(path), url, "-d", str(out), *argv]) == 0
        names = capsys.readouterr().out.split()
        return {Path(name).stem: Path(name).read_text() for name in names if name.endswith(".mmd")}

    plain = drawn()
    assert set(plain) == {"graph", "machine", "state", "steps"}
    assert "classDef added" in plain["machine"]
    assert plain["steps"].startswith("sequenceDiagram")
    bird = drawn("--bird", "--detail", "3")["bird"]
    assert all(f'"w{k}"' in bird for k in range(3))
    assert '"w3"' not in bird
    assert "2 pipes" in bird
    assert "_Go" in bird
    map = drawn("--map")["map"]
    assert all(f'"w{k}"' in map for k in range(5))
    assert "Go" not in map
    assert set(drawn("--machine")) == {"machine"}
