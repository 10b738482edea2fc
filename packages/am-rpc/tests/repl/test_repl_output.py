"""What reaches the terminal, and how `arpc` begins and ends."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
from typing import TYPE_CHECKING

import pytest
import rich.console
import rich.text
from hypothesis import given
from hypothesis import strategies as st

from am_rpc._repl import _cli, _main
from am_rpc._repl._outcome import Code, Outcome, Table
from am_rpc._repl._output import Output, escape

if TYPE_CHECKING:
    from pathlib import Path

EVIL = "\x1b]0;owned\x07\x1b[2J\r\n\x9b31mred\u202egnp.exe\u2028[bold]x[/bold]:smile:"


@given(st.text())
def test_whatever_is_shown_is_printable(text: str) -> None:
    assert escape(text).isprintable()


@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "S"])))
def test_what_is_printable_is_shown_as_it_is(text: str) -> None:
    assert escape(text) == text


def test_escapes_are_those_of_python() -> None:
    assert escape("a\x1b[31m\n\u202e\U000e0001") == "a\\x1b[31m\\n\\u202e\\U000e0001"


@pytest.mark.parametrize("as_json", [False, True])
def test_nothing_that_a_machine_says_steers_the_terminal(
    capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    output = Output(as_json=as_json)
    table = Table(("id", "states"), ((EVIL, EVIL),))
    output.show(EVIL, Outcome(Code.NO, {"id": EVIL}, (EVIL, EVIL), table, EVIL))
    output.fault(EVIL)
    output.notice(EVIL)
    shown = "".join(capsys.readouterr())
    assert shown.replace("\n", "").isprintable()
    # Each piece stays on its own line.
    assert shown.count("\n") == (3 if as_json else 7)
    assert as_json or "[bold]x[/bold]:smile:" in shown


def test_a_terminal_gets_colours_but_no_foreign_sequences(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(sys, "stderr", terminal)
    output = Output()
    table = Table(("id", "states"), ((EVIL, EVIL),))
    output.show("list", Outcome(lines=(EVIL,), table=table, error=EVIL))
    shown = terminal.getvalue()
    assert "\x1b[1m" in shown
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown).replace("\n", "")
    assert plain.isprintable()


@given(st.text())
def test_a_pipe_gets_what_a_console_would_write_there(text: str) -> None:
    console = rich.console.Console(file=io.StringIO(), markup=False, highlight=False, emoji=False)
    console.print(rich.text.Text(escape(text)), soft_wrap=True)
    assert isinstance(console.file, io.StringIO)
    expected = console.file.getvalue().rstrip() + "\n"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", io.StringIO())
        patch.setattr(sys, "stderr", io.StringIO())
        output = Output()
        output.show("add", Outcome(lines=(text,)))
        output.fault(text)
        assert sys.stdout.getvalue() == sys.stderr.getvalue() == expected


def test_a_pipe_may_count_as_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    Output().fault("wrong")
    assert capsys.readouterr().err == "\x1b[31mwrong\x1b[0m\n"


def test_rows_are_not_folded_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    rows = (("a", "x" * 500), ("b" * 40, "y"))
    Output().show("list", Outcome(table=Table(("id", "states"), rows)))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[1] == "a" + " " * 41 + "x" * 500
    assert lines[2] == "b" * 40 + "  y"


def test_log_lines_are_escaped_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(*args: object, **options: object) -> None:
        logging.getLogger("am_rpc").warning("it said %s", EVIL)
        raise RuntimeError(EVIL)

    monkeypatch.setattr("collections.Counter.total", fail)
    handlers = list(logging.getLogger().handlers)
    assert _cli.main(["-d", str(tmp_path), "--", "status"]) == Code.NO
    assert logging.getLogger().handlers == handlers
    err = capsys.readouterr().err
    assert "it said" in err
    assert "internal error: RuntimeError" in err
    assert err.replace("\n", "").isprintable()


def test_json_is_one_document_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=True)
    output.show("add", Outcome(data={"id": "w\n1"}, lines=("text",)))
    output.show("when", Outcome(Code.TIMEOUT, error="not over"))
    one, two = map(json.loads, capsys.readouterr().out.splitlines())
    assert one == {"command": "add", "ok": True, "code": 0, "id": "w\n1"}
    assert two == {"command": "when", "ok": False, "code": 4, "error": "not over"}


# The program.


@pytest.mark.parametrize("argv", [["--", "help"], ["--", "cheatsheet"], ["--", "help", "list"],
                                  ["--", "add", "--help"], ["--help"], ["--version"]])  # fmt: skip
def test_what_needs_no_machine_needs_no_address(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, argv: list[str]
) -> None:
    monkeypatch.delenv("AM_REPL_DIR", raising=False)
    assert _cli.main(argv) == Code.OK
    assert capsys.readouterr().out


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["--", "list"],
        ["127.0.0.1:1", "--"],
        ["nowhere", "--", "list"],
        ["127.0.0.1:1", "-d", ".", "--", "list"],
        ["-d", ".", "-f", "hosts", "--", "list"],
        ["-d", "/no/such/dir", "--", "list"],
        ["-f", "/no/such/file", "--", "list"],
        ["127.0.0.1:1", "--", "nope"],
        ["127.0.0.1:1", "--", "add", "x"],
        ["127.0.0.1:1", "--nope", "--", "list"],
        ["127.0.0.1:1", "--log-level", "6", "--", "list"],
        ["127.0.0.1:1", "--timeout", "0", "--", "list"],
        ["127.0.0.1:1", "--timeout", "inf", "--", "list"],
        ["127.0.0.1:1", "--secret-file", "/no/such/file", "--", "list"],
        ["127.0.0.1:1", "--secret-file", "/dev/null", "--", "list"],
        ["127.0.0.1:1", "--tls-ca", "/no/such/file", "--", "list"],
    ],
)
def test_wrong_usage_is_told_before_anything_is_connected(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, argv: list[str]
) -> None:
    monkeypatch.delenv("AM_REPL_DIR", raising=False)
    assert _cli.main(argv) == Code.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("arpc: ")


def test_wrong_usage_is_json_if_that_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert _cli.main(["--json", "--", "nope"]) == Code.USAGE
    assert json.loads(capsys.readouterr().out)["code"] == 2


def test_an_empty_secret_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("\n")
    assert _cli.main(["127.0.0.1:1", "--secret-file", str(path), "--", "list"]) == Code.USAGE
    assert "the secret is empty" in capsys.readouterr().err


def test_a_file_that_cannot_be_used_is_named_once(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    secret, text, none = tmp_path / "secret", tmp_path / "text", tmp_path / "none"
    secret.write_text("xyz")
    text.write_text("no certificate")
    told = {
        ("--secret-file", none): f"arpc: {none}: no such file or directory\n",
        ("--secret-file", tmp_path): f"arpc: {tmp_path}: is a directory\n",
        ("--tls-ca", none, "--secret-file", secret): f"arpc: {none}: no such file or directory\n",
        ("--tls-ca", text, "--secret-file", secret): f"arpc: {text}: no certificates in PEM form\n",
    }
    for flags, error in told.items():
        assert _cli.main(["127.0.0.1:1", *map(str, flags), "--", "list"]) == Code.USAGE
        assert capsys.readouterr().err == error


def test_addresses_that_nobody_serves_are_not_connected(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    addr = f"unix:{tmp_path}/nobody"
    assert _cli.main([addr, "--", "add", ".", "Foo"]) == Code.NOT_CONNECTED
    assert addr in capsys.readouterr().err
    assert _cli.main([addr, "-a", "--", "status"]) == Code.NOT_CONNECTED
    assert _cli.main(["-d", str(tmp_path), "--", "list"]) == Code.NOT_CONNECTED
    assert _cli.main(["-d", str(tmp_path), "--", "status"]) == Code.OK
    assert "0 total" in capsys.readouterr().out


def test_the_environment_names_the_directory(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AM_REPL_DIR", str(tmp_path))
    assert _cli.main(["--", "status"]) == Code.OK
    assert "0 total" in capsys.readouterr().out


@pytest.mark.parametrize("missing", ["click", "prompt_toolkit", "rich"])
def test_without_the_extra_arpc_says_how_to_get_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    real = _main.find_spec
    monkeypatch.setattr(_main, "find_spec", lambda name: None if name == missing else real(name))
    with pytest.raises(SystemExit) as ended:
        _main.main()
    assert ended.value.code == 2
    assert "pip install 'am-rpc[repl]'" in capsys.readouterr().err
