"""Who follows the tutorial in an empty folder ends with a pool that the debugger has seen."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from .terminal import Screen

PAGE = Path(__file__).parent.parent / "docs/tutorial.md"
PATIENCE = 60  # seconds
BIN = Path(sys.executable).parent
KINDS = ("nc", "ns", "nw")  # how ids of a client, a supervisor and of workers begin


def last_chapter() -> tuple[str, str, list[str], str]:
    """The name and text of the file to save, the blocks of commands, and what shows it all."""
    text = PAGE.read_text().partition("## 9.")[2]
    saved = re.search(r"Save this as `(\w+\.py)`.*?^```python\n(.*?)^```", text, re.S | re.M)
    looking = re.search(r"`(am-dbg --from \S+)` shows it all on the screen", text)
    assert saved is not None
    assert looking is not None
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.S | re.M)
    return saved[1], saved[2], blocks, looking[1]


def commands(block: str) -> list[str]:
    return [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]


@pytest.mark.process
def test_the_chapters_before_are_one_program_put_together_as_the_page_says(tmp_path: Path) -> None:
    chapters = re.split(r"^## \d+\. .*$", PAGE.read_text(), flags=re.MULTILINE)[1:9]
    blocks = [re.findall(r"^```python\n(.*?)^```", one, re.S | re.M) for one in chapters]
    assert all(blocks)
    plain, awaiting = ("".join("".join(one) for one in some) for some in (blocks[:3], blocks[3:]))
    main = f"async def main():\n{textwrap.indent(awaiting, '    ')}\n\ntrio.run(main)\n"
    (tmp_path / "bakery.py").write_text(f"{plain}\n\n{main}")
    done = subprocess.run(
        [sys.executable, "-W", "error", "bakery.py"],
        cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.process
@pytest.mark.slow
def test_the_last_chapter_is_followed_word_for_word(tmp_path: Path) -> None:
    name, program, (first, second), looking = last_chapter()
    (tmp_path / name).write_text(program)
    path = os.pathsep.join([str(BIN), os.environ["PATH"]])
    # A user of its own: what this machine's user has set or runs is nothing to it.
    env = {**os.environ, "PATH": path, "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    env = {key: value for key, value in env.items() if not key.startswith("AM_")}
    (listening,) = commands(first)
    with subprocess.Popen(
        ["bash", "-c", f"exec {listening}"],
        cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True,
    ) as debugger:  # fmt: skip
        assert debugger.stderr is not None
        try:
            script = "\n".join(commands(second))
            done = subprocess.run(
                ["bash", "-ec", script], cwd=tmp_path, env=env,
                capture_output=True, text=True, timeout=PATIENCE, check=False,
            )  # fmt: skip
            expected = [line for line in second.splitlines() if not line.startswith("$ ")]
            assert (done.returncode, done.stdout.splitlines()) == (0, expected), done.stderr
            with Screen(tmp_path, looking, env) as screen:
                for kind in KINDS:
                    screen.until(f"{kind}-")
        finally:
            debugger.send_signal(signal.SIGINT)
            told = debugger.communicate(timeout=PATIENCE)[1]
    dumps = sorted(tmp_path.glob("*.amdbg.*"))
    assert dumps, told
    seen = subprocess.run(
        ["am-dbg", "inspect", str(dumps[-1])],
        env=env, capture_output=True, text=True, timeout=PATIENCE, check=True,
    ).stdout  # fmt: skip
    kinds = {line.partition("-")[0] for line in seen.splitlines()}
    assert {*KINDS} <= kinds, seen
