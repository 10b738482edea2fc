"""`am-dbg wait` looks at each transition once, keeps little, and ends as its help says."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from am_debugger._cli import wait as module
from am_debugger._cli.main import main
from am_debugger._cli.wait import Watcher
from am_debugger._derive.query import parse_query
from am_debugger._store.layout import Sizes
from am_debugger._store.link import Link
from am_debugger._store.store import Store

from ..exporter import Exporter
from ..messages import process

TO_NOBODY = ["--from", "127.0.0.1:1"]


def test_the_first_that_is_meant_is_found_and_what_was_seen_goes() -> None:
    store = Store(sizes=Sizes(chunk=16, keyframe=5))
    link = Link(store, process())
    exporters = [Exporter(link, name, handle) for handle, name in enumerate("ab", 1)]
    watcher = Watcher(store, parse_query("-Work id:b arg.id=7"))
    for k in range(300):
        for exporter in exporters:
            exporter.do([2], {2: 1}, args={"id": k % 9})
        if k % 3 == 0 and k < 290:
            watcher._query = parse_query("-Work id:b arg.id=77")
            watcher.took(10)
            assert watcher.found is None
    assert all(len(client.columns) < 64 for client in store)
    watcher._query = parse_query("-Work id:b arg.id=7")
    watcher.took(10)
    assert watcher.found is not None
    client, number = watcher.found
    assert (client.id, number) == ("b", 296)
    watcher.took(10)
    assert watcher.found == (client, number)


def test_ctrl_c_and_a_refusal_end_with_codes_of_their_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def interrupted(*args: Any, **more: Any) -> None:
        raise KeyboardInterrupt

    async def refused(store: Store, watcher: Watcher, *args: Any, **more: Any) -> None:
        watcher.note("not viewed at 127.0.0.1:1: wrong secret")

    async def silent(*args: Any, **more: Any) -> None:
        await trio.sleep_forever()

    for view, code in ((interrupted, 130), (refused, 3), (silent, 1)):
        monkeypatch.setattr(module, "view", view)
        assert main(["wait", "+Work", *TO_NOBODY, "--timeout", "0.05"]) == code
    assert capsys.readouterr().out == ""


def test_the_help_has_examples_that_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["wait", "--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    examples = [line for line in told.splitlines() if line.startswith("  am-dbg wait ")]
    assert len(examples) == 3
    for line in examples:
        parse_query(line.split('"')[1])
    assert "exit codes: 0 found" in told


def test_a_query_at_fault_is_underlined(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["wait", "+Work bogus", *TO_NOBODY]) == 2
    assert capsys.readouterr().err.endswith("+Work bogus\n      ^^^^^\n")
