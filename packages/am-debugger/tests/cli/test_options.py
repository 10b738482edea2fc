"""Options from the command line, the environment and a file, and what they may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from am_debugger._cli.commands import COMMANDS
from am_debugger._cli.options import build_parser, parse, settings_of
from am_debugger._cli.values import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "am-dbg.toml"
    file.write_text('max-mem = 1\ndetail = 2\nlisten = ["127.0.0.1:1"]\n')
    environ = {"XDG_CONFIG_HOME": str(tmp_path), "AM_DBGUI_MAX_MEM": "2", "AM_DBGUI_ID": "x"}
    options = parse(["--max-mem", "3"], environ)
    assert (options.max_mem, options.detail, options.id) == (3, 2, "x")
    assert [str(address) for address in options.listen] == ["127.0.0.1:1"]
    assert parse([], environ).max_mem == 2
    assert parse([], {"XDG_CONFIG_HOME": str(tmp_path)}).max_mem == 1
    assert parse(["--config", str(file)], {"XDG_CONFIG_HOME": "/nowhere"}).max_mem == 1


def test_the_current_folder_is_never_looked_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "am-dbg.toml").write_text("max-mem = 1")
    monkeypatch.chdir(tmp_path)
    assert parse([], {"XDG_CONFIG_HOME": "/nowhere"}).max_mem == 1000


def test_the_switch_of_the_debugged_is_ignored() -> None:
    environ = {"XDG_CONFIG_HOME": "/nowhere", "AM_DBG_ADDR": "1", "AM_DBG_DETAIL": "2"}
    options = parse([], environ)
    assert (options.dbg_addr, options.detail) == (None, 1)


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"AM_DBGUI_NONSENSE": "1"}, "no option nonsense"),
        ({"AM_DBGUI_VERSION": "1"}, "no option version"),
        ({"AM_DBGUI_HEADLESS": "maybe"}, "neither yes nor no"),
        ({"AM_DBGUI_DETAIL": "7"}, "one of 0, 1, 2"),
        ({"AM_DBGUI_MAX_MEM": "much"}, "max_mem"),
        ({"AM_DBGUI_LISTEN": "nowhere"}, "nowhere"),
        ({"AM_DBGUI_LOG_OPS_TTL": "soon"}, "no time such as"),
    ],
)
def test_a_bad_variable_is_named(environ: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse([], {"XDG_CONFIG_HOME": "/nowhere", **environ})


def test_a_bad_file_is_named(tmp_path: Path) -> None:
    for text in ("max-mem = ", "other = 1", "max-mem = [1, 2]", "detail = 9"):
        (tmp_path / "x.toml").write_text(text)
        with pytest.raises(UsageError):
            parse(["--config", str(tmp_path / "x.toml")], {})
    with pytest.raises(UsageError, match="No such file"):
        parse(["--config", str(tmp_path / "none.toml")], {})


def test_switches_and_lists_come_from_the_environment() -> None:
    environ = {
        "XDG_CONFIG_HOME": "/nowhere",
        "AM_DBGUI_HEADLESS": "yes",
        "AM_DBGUI_LISTEN": "unix:/a 127.0.0.1:5",
        "AM_DBGUI_LOG_OPS_TTL": "15m",
    }
    options = parse([], environ)
    assert options.headless is True
    assert [str(address) for address in options.listen] == ["unix:/a", "127.0.0.1:5"]
    assert settings_of(options).log_ttl == 900


@pytest.mark.parametrize(
    "argv",
    [["--detail", "3"], ["--listen", "x"], ["--log-ops-ttl", "x"], ["nonsense"], ["--nope"]],
)
def test_a_bad_command_line_ends_with_two(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(argv, {"XDG_CONFIG_HOME": "/nowhere"})
    assert caught.value.code == 2
    assert "am-dbg: error" in capsys.readouterr().err


def test_each_option_says_what_it_does() -> None:
    for action in build_parser()._actions:
        assert action.help, action.dest


def test_the_help_names_every_command() -> None:
    told = " ".join(build_parser().format_help().split())
    named = told.partition("Commands without a screen: am-dbg ")[2].partition(";")[0]
    assert {word.strip(",") for word in named.split()} - {"and"} == COMMANDS.keys()


def test_a_place_that_is_none_is_told_in_a_few_lines_with_what_places_look_like(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        parse(["run.amdbg.gz"], {"XDG_CONFIG_HOME": "/nowhere"})
    told = capsys.readouterr().err
    assert "'run.amdbg.gz' is no address of a machine" in told
    assert "mach://ID/TX/STEP" in told
    assert "--import FILE" in told, "most often a dump is meant"
    assert len(told.splitlines()) <= 6


def test_an_option_that_does_not_fit_is_told_with_the_file_or_the_variable_it_is_in(
    tmp_path: Path,
) -> None:
    file = tmp_path / "am-dbg.toml"
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    for text, told in (("bogus = 1", "there is no option bogus"), ("max-mem = 0", "max_mem: 0 is")):
        file.write_text(text)
        for argv in ([], ["--config", str(file)]):
            with pytest.raises(UsageError, match=f"^{file}: {told}"):
                parse(argv, environ)
    file.unlink()
    for name in ("AM_DBGUI_BOGUS", "AM_DBGUI_MAX_MEM"):
        with pytest.raises(UsageError, match=f"^{name}: "):
            parse([], {**environ, name: "0"})
