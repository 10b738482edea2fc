"""Each option by each of its three ways: the command line, the environment, the file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from am_debugger._cli.given import PREFIX, given_actions
from am_debugger._cli.options import build_parser, parse
from am_debugger._cli.view_options import arguments
from am_telemetry import dbg

if TYPE_CHECKING:
    import argparse

LONELY = {"help", "version", "config", "no_config", "print_completion"}
"""These stand on the command line alone."""


@dataclass(frozen=True)
class Case:
    """What is written after the option, and what comes of it; a list in the file where an option
    may be repeated."""

    text: str | None
    value: Any
    is_list: bool = False


def _address(text: str) -> dbg.Address:
    return dbg.parse_address(text)


CASES = {
    "listen": Case("127.0.0.1:9", [_address("127.0.0.1:9")], is_list=True),
    "from": Case("unix:/x", _address("unix:/x")),
    "dir": Case("/", Path("/")),
    "import": Case("run.amdbg.gz", ["run.amdbg.gz"], is_list=True),
    "forward": Case("127.0.0.1:9", [_address("127.0.0.1:9")], is_list=True),
    "select-connected": Case(None, True),
    "clean-on-connect": Case(None, True),
    "detail": Case("2", 2),
    "filter-canceled": Case(None, True),
    "no-filter-canceled": Case(None, False),
    "filter-queued": Case(None, True),
    "no-filter-queued": Case(None, False),
    "filter-auto": Case(None, True),
    "no-filter-auto": Case(None, False),
    "filter-auto-canceled": Case(None, True),
    "no-filter-auto-canceled": Case(None, False),
    "filter-empty": Case(None, True),
    "no-filter-empty": Case(None, False),
    "filter-health": Case(None, True),
    "no-filter-health": Case(None, False),
    "filter-checks": Case(None, True),
    "no-filter-checks": Case(None, False),
    "filter-group": Case(None, True),
    "no-filter-group": Case(None, False),
    "filter-disconn": Case(None, True),
    "no-filter-disconn": Case(None, False),
    "filter-rpc": Case(None, True),
    "no-filter-rpc": Case(None, False),
    "filter-traces": Case(None, True),
    "no-filter-traces": Case(None, False),
    "reader": Case(None, True),
    "no-reader": Case(None, False),
    "rain": Case(None, True),
    "no-rain": Case(None, False),
    "narrow": Case(None, True),
    "no-narrow": Case(None, False),
    "wrap": Case(None, True),
    "no-wrap": Case(None, False),
    "view": Case("matrix", "matrix"),
    "tail": Case(None, True),
    "no-tail": Case(None, False),
    "timelines": Case("2", 2),
    "log-level": Case("4", 4),
    "theme": Case("light", "light"),
    "output-tx": Case(None, True),
    "output-log": Case(None, True),
    "output-clients": Case(None, True),
    "output-graph": Case(None, True),
    "output-call-log": Case(None, True),
    "output-diagrams": Case("2", 2),
    "web": Case("127.0.0.1:8080", ("127.0.0.1", 8080)),
    "headless": Case(None, True),
    "serve": Case("127.0.0.1:9", _address("127.0.0.1:9")),
    "serve-url": Case("https://debugger.example", "https://debugger.example"),
    "no-mouse": Case(None, False),
    "no-clipboard": Case(None, False),
    "max-mem": Case("5", 5),
    "log-ops-ttl": Case("15m", 900.0),
    "max-clients": Case("7", 7),
    "rotate-tx": Case("100", 100),
    "rotate-every": Case("0.5", 0.5),
    "secret-env": Case("VAR", "VAR"),
    "tls-cert": Case("a.pem", Path("a.pem")),
    "tls-key": Case("b.pem", Path("b.pem")),
    "peer-secret-env": Case("VAR", "VAR"),
    "tls-ca": Case("c.pem", Path("c.pem")),
    "repl": Case(None, True),
    "id": Case("other", "other"),
    "dbg-addr": Case("127.0.0.1:9", _address("127.0.0.1:9")),
}
NEEDED = {"serve-url": ["--serve", "127.0.0.1:9"], "tls-key": ["--tls-cert", "a.pem"]}
"""What else has to be given."""


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    names = [option for action in parser._actions for option in action.option_strings]
    return {name[2:] for name in names if name.startswith("--")}


def test_each_option_has_a_case() -> None:
    lonely = {name.replace("_", "-") for name in LONELY}
    assert options_of(build_parser()) - lonely == set(CASES)


def test_each_variable_has_a_case() -> None:
    assert set(given_actions(build_parser())) == {name.replace("-", "_") for name in CASES}


def value_of(name: str, argv: list[str], environ: dict[str, str]) -> Any:
    action, _ = given_actions(build_parser())[name.replace("-", "_")]
    options = parse([*NEEDED.get(name, []), *argv], {"XDG_CONFIG_HOME": "/nowhere", **environ})
    return getattr(options, action.dest)


@pytest.mark.parametrize("name", CASES)
def test_all_ways_lead_to_the_same(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    flag = [f"--{name}"] if case.text is None else [f"--{name}={case.text}"]
    assert value_of(name, flag, {}) == case.value
    variable = PREFIX + name.replace("-", "_").upper()
    assert value_of(name, [], {variable: case.text or "1"}) == case.value
    text = "true" if case.text is None else f'"{case.text}"'
    for key in (name, name.replace("-", "_")):
        file = tmp_path / f"{key}.toml"
        file.write_text(f"{key} = {f'[{text}]' if case.is_list else text}\n")
        assert value_of(name, ["--config", str(file)], {}) == case.value


@pytest.mark.parametrize("name", [name for name in CASES if CASES[name].text is None])
def test_a_switch_can_be_told_no_by_the_environment(name: str) -> None:
    variable = PREFIX + name.replace("-", "_").upper()
    assert value_of(name, [], {variable: "off"}) is not CASES[name].value


def test_neither_file_nor_environment_is_asked_if_not_wanted(tmp_path: Path) -> None:
    (tmp_path / "am-dbg.toml").write_text("max-mem = 1")
    environ = {"XDG_CONFIG_HOME": str(tmp_path), "AM_DBGUI_MAX_MEM": "2", "AM_DBGUI_NONSENSE": "1"}
    assert parse(["--no-config"], environ).max_mem == 1000


def test_what_is_shown_can_be_handed_on_to_another_instance() -> None:
    environ = {"XDG_CONFIG_HOME": "/nowhere"}
    argv = ["--filter-auto", "--no-filter-health", "--view=matrix", "--timelines=0", "--rain"]
    options = parse([*argv, "--no-tail", "--theme=light", "--narrow", "--no-reader"], environ)
    assert vars(parse(arguments(options), environ)) == vars(options)
