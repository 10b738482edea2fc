"""The page says what the program does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from am_debugger._cli.commands import COMMANDS, run_command
from am_debugger._cli.options import build_parser
from am_debugger._derive.query import parse_query
from am_debugger._derive.terms import WORDS
from am_debugger._ui.help_text import key_rows

README = (Path(__file__).parent.parent / "README.md").read_text()


def test_the_tables_of_keys_are_those_of_the_program() -> None:
    section = README[README.index("## Keys") :].partition("\n## ")[0]
    everywhere = re.findall(r"^\| `([^`]+)` \| (.+) \|$", section, flags=re.MULTILINE)
    of_panes = re.findall(r"^\| (\w+) \| `([^`]+)` \| (.+) \|$", section, flags=re.MULTILINE)
    assert [("", *row) for row in everywhere] + of_panes == key_rows()


def test_options_on_the_page_exist(capsys: pytest.CaptureFixture[str]) -> None:
    known = {option for action in build_parser()._actions for option in action.option_strings}
    for command in COMMANDS:
        with pytest.raises(SystemExit):
            run_command([command, "--help"])
        known |= set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out))
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README))
    assert named
    assert named <= known


def test_terms_of_queries_on_the_page_can_be_read() -> None:
    section = README[README.index("A query says") : README.index("The same language")]
    for text in re.findall(r"`([^`]+)`", section.replace("\n", " ")):
        if text != "!":
            parse_query(text)
    assert all(word in section for word in WORDS)
