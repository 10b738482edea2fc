"""The prompt: what other tasks print while it is open stands above it."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from am_rpc._repl._shell import Interrupts, _Prompt

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

prompt_toolkit = pytest.importorskip("prompt_toolkit")


@pytest.mark.parametrize(
    ("ends", "line"), [("typed", "typed"), (KeyboardInterrupt, ""), (EOFError, None)]
)
def test_prints_go_through_the_prompt_from_when_it_has_its_loop_until_its_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ends: Any, line: str | None
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    outside = sys.stdout
    seen: list[bool] = []

    def prompted(pre_run: Callable[[], None]) -> str:
        """As `PromptSession.prompt`, which calls `pre_run` when the loop of the prompt runs."""
        seen.append(sys.stdout is outside)
        pre_run()
        seen.append(sys.stdout is outside)
        if ends != "typed":
            raise ends
        return "typed"

    pool = SimpleNamespace(connected=[], peers=[])
    repl: Any = SimpleNamespace(pool=pool)
    prompt = _Prompt(repl, Interrupts())
    monkeypatch.setattr(prompt._session, "prompt", prompted)
    assert prompt.read() == line
    # Before that it would be written beside a prompt that knows nothing of it.
    assert seen == [True, False]
    assert sys.stdout is outside
