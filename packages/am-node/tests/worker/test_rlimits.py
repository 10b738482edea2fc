"""Limits of the operating system hold in a worker, and nonsense is skipped."""

import subprocess
import sys

_CODE = """
import resource
from am_node._worker.rlimits import apply_rlimits
apply_rlimits({limits!r})
{then}
"""


def _run(limits: dict[str, object], then: str) -> subprocess.CompletedProcess[str]:
    code = _CODE.format(limits=limits, then=then)
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=False
    )


def test_memory_beyond_the_limit_is_refused() -> None:
    done = _run({"memory": 300 * 1024**2}, "bytearray(500 * 1024**2)")
    assert "MemoryError" in done.stderr


def test_the_number_of_files_is_limited() -> None:
    done = _run({"files": 64}, "print(resource.getrlimit(resource.RLIMIT_NOFILE))")
    assert done.stdout.strip() == "(64, 64)"


def test_unknown_limits_and_values_are_logged_and_skipped() -> None:
    done = _run({"gold": 3, "files": -1, "cpu": "x"}, "print('fine')")
    assert done.stdout.strip() == "fine"
    assert done.stderr.count("is ignored") == 3


def test_a_limit_above_the_hard_one_is_clipped() -> None:
    then = "apply_rlimits({'files': 10**6})\nprint(resource.getrlimit(resource.RLIMIT_NOFILE))"
    assert _run({"files": 64}, then).stdout.strip() == "(64, 64)"
