"""Options of outputs become states."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from am_debugger._cli.options import parse
from am_debugger._cli.output_options import output_states
from am_debugger._cli.run import Instance
from am_debugger._cli.values import UsageError
from am_debugger._core.states import OUTPUTS

if TYPE_CHECKING:
    from pathlib import Path

ALL = ("--output-tx", "--output-log", "--output-clients", "--output-graph", "--output-call-log")


def test_each_option_stands_for_a_state() -> None:
    assert output_states(parse(["--no-config"], {})) == []
    assert set(output_states(parse(["--no-config", *ALL], {}))) == set(OUTPUTS)
    for detail in (1, 2, 3):
        options = parse(["--no-config", f"--output-diagrams={detail}"], {})
        assert output_states(options) == [f"Diagrams{detail}"]


@pytest.mark.trio
async def test_an_instance_writes_what_it_was_asked_for(tmp_path: Path) -> None:
    address = f"unix:{tmp_path / 'sock'}"
    argv = ["--no-config", "-l", address, "-d", str(tmp_path / "out"), *ALL[:3]]
    instance = Instance(parse(argv, {}))
    async with trio.open_nursery() as nursery:
        await nursery.start(instance.core_main)
        with trio.fail_after(30):
            while len(names_in(tmp_path / "out")) < 3:  # noqa: ASYNC110 - files tell nobody
                await trio.sleep(0.01)
        instance.stop()
    assert names_in(tmp_path / "out") == {"tx.md", "log.md", "clients.txt"}


def test_a_folder_that_cannot_be_made_is_named_before_anything_comes_in(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    where = tmp_path / "file" / "out"
    with pytest.raises(UsageError, match=f"--dir {where}: Not a directory"):
        Instance(parse(["--no-config", "-l", f"unix:{tmp_path / 's'}", "-d", str(where)], {}))


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.suffix} if folder.is_dir() else set()
