"""What sessions of nox have in common."""

import subprocess
import sys
from pathlib import Path

import pytest

NOXFILE = """
import sys

sys.path.insert(0, {folder!r})
import nox
from tree import only_installs


@nox.session(python=False)
def one(session):
    print("only installs:", only_installs(session))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("option", "answer"), [((), False), (("--install-only",), True)])
def test_a_session_knows_whether_it_only_installs(
    option: tuple[str, ...], answer: bool, root: Path, tmp_path: Path
) -> None:
    (tmp_path / "noxfile.py").write_text(NOXFILE.format(folder=str(root / ".ci")))
    command = (sys.executable, "-m", "nox", "-s", "one", *option)
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"only installs: {answer}\n"
