"""Interpreters that were started with this one's options behave as it does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import am_node

# On its own, since importing the package for each interpreter would take most of the time.
_MODULE = Path(am_node.__file__).with_name("_interpreter.py")
_TELL = f"""
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("interpreter", {str(_MODULE)!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
options = module.interpreter_options()
print(json.dumps([options, repr(sys.flags), sorted(sys.warnoptions), repr(sys._xoptions)]))
"""


def _told(*options: str) -> tuple[list[str], list[Any]]:
    """The options that an interpreter would hand on, and how it sees itself."""
    command = [sys.executable, *options, "-c", _TELL]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    handed_on, *others = json.loads(done.stdout)
    return handed_on, others


@pytest.mark.parametrize(
    "line",
    [
        "",
        "-O -B",
        "-OO -X dev",
        "-W error::ResourceWarning -W ignore::DeprecationWarning:trio",
        "-X dev -b -W once",
        "-bb -X utf8",
        "-X utf8=0 -X int_max_str_digits=1000 -X faulthandler",
        "-I -W default",
        "-E -s",
    ],
)
def test_an_interpreter_with_the_options_handed_on_sees_itself_alike(
    line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")
    monkeypatch.setenv("PYTHONWARNINGS", "ignore::ImportWarning")
    handed_on, (flags, filters, others) = _told(*line.split())
    again, alike = _told(*handed_on)
    assert alike[0] == flags
    # The environment's filters come twice, which changes nothing.
    assert set(alike[1]) == set(filters)
    assert "utf8" in line or alike[2] == others
    assert set(again) == set(handed_on)
    # Where the environment counts for nothing, an option says that output is unbuffered.
    assert ("-u" in handed_on) == ("-E" in handed_on or "-I" in handed_on)
