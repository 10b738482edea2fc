"""What needs no screen: the version, a dump as text, a collector."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from am_debugger import __version__
from am_debugger._cli.main import main
from am_debugger._files.dump_writer import write_dump
from am_debugger._store.link import Link
from am_debugger._store.store import Store

from ..exporter import Exporter
from ..messages import process


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    store = Store()
    exporter = Exporter(Link(store, process()), "demo")
    for k in range(10):
        exporter.do([k % 2], {k % 2: 1}, time=1_000_000 * k)
    path = tmp_path / "run.amdbg.gz"
    for _ in write_dump(store, path, process("writer")):
        pass
    return path


def test_the_version_is_told_before_anything_is_imported() -> None:
    code = (
        "import sys; from am_debugger._cli.main import main; main(['--version']);"
        "print(sorted(m for m in sys.modules if m in ('trio', 'textual', 'am_machine', 'msgpack')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"am-dbg {__version__}", "[]"]


def test_headless_imports_no_screen() -> None:
    code = "import sys, am_debugger._cli.run; print('textual' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_screen_starts_without_what_only_servers_exporters_and_commands_need() -> None:
    code = (
        "import sys, am_debugger._cli.commands, am_debugger._cli.run, am_debugger._ui.launcher;"
        "rooms = ('am_rpc._server', 'am_rpc._client', 'am_rpc._wire', 'am_telemetry._hub',"
        " 'am_debugger._cli.inspect', 'am_debugger._cli.lint', 'opentelemetry');"
        "print(sorted({*rooms} & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_dump_is_told_as_text(dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(dump)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("demo: 10 transitions, ")
    assert lines[-1] == "1 machines, 10 transitions, 0 errors"
    assert main(["inspect", str(dump), "--where", "+Ready"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[-1] == "3 found, demo 3"


def test_a_query_may_begin_with_what_went(dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(dump), "--where", "-Ready"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "2 found, demo 2"


def test_bad_dumps_and_queries_have_their_exit_codes(
    dump: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", str(tmp_path / "none.gz")]) == 4
    assert "No such file" in capsys.readouterr().err
    (tmp_path / "bad.gz").write_bytes(b"no dump")
    assert main(["inspect", str(tmp_path / "bad.gz")]) == 4
    assert main(["inspect", str(dump), "--where", "no such thing"]) == 2
    told = capsys.readouterr().err
    assert "'no': no such term" in told
    assert told.endswith("no such thing\n^^\n")
    cut = tmp_path / "cut.amdbg.gz"
    cut.write_bytes(dump.read_bytes()[:-20])
    assert main(["inspect", str(cut)]) == 0
    assert "what came before is loaded" in capsys.readouterr().err


def test_a_host_open_to_others_needs_a_secret(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["--headless", "-l", "0.0.0.0:6831"]) == 2
    assert "give --secret-env" in capsys.readouterr().err
    monkeypatch.setenv("AM_SECRET_OF_TEST", "")
    assert main(["--headless", "--secret-env", "AM_SECRET_OF_TEST"]) == 2
    assert "AM_SECRET_OF_TEST" in capsys.readouterr().err


def test_an_import_that_fails_ends_with_four(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["--headless", "-l", f"unix:{tmp_path / 's'}", "-i", str(tmp_path / "none.gz")])
    assert code == 4
    assert "none.gz" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_agent_is_served_what_is_one_thing_and_with_the_extra_only(
    dump: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["mcp"]) == 2
    assert main(["mcp", str(dump), "--from", "unix:/x"]) == 2
    assert "give a dump, or --from" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "mcp.server.mcpserver", None)
    assert main(["mcp", str(dump)]) == 2
    assert "python -m pip install 'am-debugger[mcp]'" in capsys.readouterr().err


@pytest.mark.process
def test_a_reader_that_has_seen_enough_is_no_failure() -> None:
    recorded = Path(__file__).parents[1] / "fixtures" / "pool.amdbg.gz"
    command = [sys.executable, "-m", "am_debugger", "inspect", str(recorded), "--where", "accepted"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as reading:
        assert reading.stdout is not None
        assert reading.stderr is not None
        assert reading.stdout.readline()
        reading.stdout.close()
        assert reading.stderr.read() == b""
    assert reading.returncode == 0
