"""`am-dbg export-html`: a page of a moment, by command."""

from __future__ import annotations

from pathlib import Path

import pytest

from am_debugger._cli.main import main
from am_debugger._derive.url import MachineUrl
from am_debugger._files.dump_writer import write_dump
from am_debugger._store.link import Link
from am_debugger._store.store import Store

from ..exporter import Exporter
from ..messages import process


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An address in `run.amdbg.gz`, which is in the current folder."""
    monkeypatch.chdir(tmp_path)
    store = Store()
    exporter = Exporter(Link(store, process()), "alice/1")
    for k in range(9):
        exporter.do([2], {2: 1}, time=1000 + k, args={"who": "bob"}, log=((3, f"line {k}"),))
    list(write_dump(store, Path("run.amdbg.gz"), process("writer")))
    return str(MachineUrl("alice/1", exporter.rows[4].sent.id, state="Work"))


def test_a_moment_becomes_a_page_that_only_its_owner_may_read(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export-html", "run.amdbg.gz", url]) == 0
    page = Path("alice_1-5.html")
    assert capsys.readouterr().out == f"alice_1-5.html: {page.stat().st_size} bytes\n"
    assert page.stat().st_mode & 0o777 == 0o600
    text = page.read_text()
    assert "Work is active since transition 5" in text
    assert "bob" in text
    assert "line 4" not in text


def test_options_say_where_to_how_much_and_what_is_left_out(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    told = ["-o", "out.html", "--log-level", "3"]
    assert main(["export-html", "run.amdbg.gz", url, *told]) == 0
    assert "line 4" in Path("out.html").read_text()
    assert main(["export-html", "run.amdbg.gz", url, *told, "--redact", "ids,args,logs"]) == 0
    text = Path("out.html").read_text()
    assert "Left out: args, logs, ids." in text
    for word in ("bob", "alice", "line 4"):
        assert word not in text


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["run.amdbg.gz", "mach://nobody"], 2, "is not in the dump"),
        (["run.amdbg.gz", "http://alice"], 2, "is no address"),
        (["run.amdbg.gz", "URL", "--redact", "names"], 2, "--redact takes some of"),
        (["run.amdbg.gz", "URL", "-o", "run.amdbg.gz"], 2, "does not replace the dump"),
        (["nothing.amdbg.gz", "URL"], 4, "No such file"),
        (["run.amdbg.gz", "URL", "-o", "no/such/folder.html"], 1, "No such file"),
    ],
)
def test_what_cannot_be_is_told_in_a_line(
    url: str, capsys: pytest.CaptureFixture[str], argv: list[str], code: int, words: str
) -> None:
    before = Path("run.amdbg.gz").read_bytes()
    assert main(["export-html", *[url if word == "URL" else word for word in argv]]) == code
    told = capsys.readouterr().err
    assert words in told
    assert told.count("\n") == 1
    assert Path("run.amdbg.gz").read_bytes() == before
    assert [path.name for path in Path().iterdir()] == ["run.amdbg.gz"]
