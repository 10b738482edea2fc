"""The option of commands that prints what completes them."""

from __future__ import annotations

import argparse
import sys

import pytest

from am_helpers.completion import offer_completion


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="brew")
    made.add_argument("--sugar")
    offer_completion(made)
    return made


def test_what_completes_a_command_names_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(["--print-completion", "bash"])
    assert ended.value.code == 0
    assert "--sugar" in capsys.readouterr().out


def test_without_shtab_a_command_tells_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(["--print-completion", "bash"])
    assert ended.value.code == 2
    told = "brew: --print-completion needs shtab: pip install 'am-helpers[completion]'\n"
    assert capsys.readouterr() == ("", told)
