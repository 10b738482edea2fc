"""The program that feeds a debugger in benchmarks, and in what is run at night."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from .test_soak import MACHINES

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.process
def test_a_program_that_feeds_ends_with_whoever_began_it(tmp_path: Path) -> None:
    command = [sys.executable, str(MACHINES), f"unix:{tmp_path}/nobody", "--rate", "50"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline(), "it does something"
            assert process.stdin is not None
            process.stdin.close()  # as the end of this one would do
            assert process.wait(10) == 0
        finally:
            process.kill()
