"""The public surface: nothing vanishes or appears unseen, and importing it costs little."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import am_debugger


def test_public_names_are_those_written_down() -> None:
    written = (Path(__file__).parent / "public_names.txt").read_text().split()
    assert sorted(am_debugger.__all__) == sorted(written)


def test_errors_have_one_base_and_say_where_they_live() -> None:
    for name in am_debugger.__all__:
        value = getattr(am_debugger, name)
        if isinstance(value, type):
            assert issubclass(value, am_debugger.DebuggerError)
            assert value.__module__ == "am_debugger"


def test_errors_survive_pickling_with_their_text() -> None:
    for error in (
        am_debugger.BadMessageError("what"),
        am_debugger.CannotListenError("here", "taken", is_taken=True),
        am_debugger.DumpError("path", "fault"),
        am_debugger.QueryError("+a", 0, 2, "fault"),
        am_debugger.UrlError("url", "fault"),
    ):
        assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_importing_the_package_imports_nothing_large() -> None:
    code = "import sys, am_debugger; print({'trio', 'textual', 'msgpack'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
