"""Run the python blocks of one page: `python blocks.py README.md`.

Needs trio and nothing else, so that it can be copied beside a page into an environment that holds
just what the page installs. Blocks share a module. A block may `await`: it then runs under trio,
five seconds long at most. Time jumps ahead whenever all tasks sleep, except on pages with sockets,
threads or processes, which the clock of the tests cannot see.
"""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
import types
from pathlib import Path

import trio
import trio.testing

LIMIT = 5.0  # seconds for one awaiting block
REAL_TIME = re.compile(
    r"\b(am_rpc|am_node|socket|subprocess|threading|to_thread|when_fn|open_process)\b"
)
BLOCK = re.compile(r"(<!-- skip: next[^\n]*-->\n)?^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def execute(source: str, path: str, page: types.ModuleType, *, is_real_time: bool) -> None:
    """Run one block in the module of its page."""
    code = compile(source, path, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    if not code.co_flags & inspect.CO_COROUTINE:
        exec(code, page.__dict__)
        return

    async def limited() -> None:
        with trio.fail_after(LIMIT):
            await eval(code, page.__dict__)

    trio.run(limited, clock=None if is_real_time else trio.testing.MockClock(autojump_threshold=0))


def main() -> None:
    """Run all blocks of the page; those that are programs of their own as such."""
    path = Path(sys.argv[1])
    text = path.read_text()
    page = types.ModuleType("__main__")
    sys.modules["__main__"] = page  # typed args look their annotations up in it
    found = list(BLOCK.finditer(text))
    for block in found:
        line = text[: block.start(2)].count("\n")
        if block[1]:
            program = path.with_name(f"line{line}.py")
            program.write_text(block[2])
            subprocess.run([sys.executable, str(program)], check=True)
        else:
            source = "\n" * line + block[2]
            execute(source, str(path), page, is_real_time=bool(REAL_TIME.search(text)))
    print(f"{path.name}: {len(found)} python blocks run")


if __name__ == "__main__":
    main()
