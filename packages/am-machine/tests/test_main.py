"""`python -m am_machine` tells what is installed and tries a machine out."""

from __future__ import annotations

from importlib.metadata import version

import pytest

from am_machine import __main__ as program


def test_versions_and_a_self_check_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main([]) == 0
    told = capsys.readouterr()
    lines = told.out.splitlines()
    assert f"trio {version('trio')}" in lines
    assert f"am-machine {version('am-machine')}" in lines
    assert lines[-1] == "self-check passed"
    assert told.err == ""


def test_versions_alone_try_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "_trials", None)
    assert program.main(["--versions"]) == 0
    assert "self-check" not in capsys.readouterr().out


def test_an_engine_that_lets_everything_pass_is_found_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program._Door, "LockedEnter", lambda self, event: True)
    assert program.main([]) == 1
    told = capsys.readouterr()
    assert "self-check failed: a handler refuses" in told.err
    assert "passed" not in told.out


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        program.main(["--help"])
    assert "examples:\n  python -m am_machine" in capsys.readouterr().out
