"""The example runs as its README says, and its parts do what they say."""

import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import trio.testing

import am_node
from examples.worker_pool import demo as module
from examples.worker_pool.client import discovery
from examples.worker_pool.demo import Demo
from examples.worker_pool.text_stats import stats_of, text_files, totals_of

ROOT = Path(__file__).parents[2]


@pytest.mark.process
@pytest.mark.slow
def test_the_demo_loses_a_worker_and_nothing_else() -> None:
    # Without a limit on the whole: it ends by itself when it stands still.
    done = subprocess.run(
        [sys.executable, "-m", "examples.worker_pool", "--plain"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(
        r"worker \S+ was killed; \d+ restarted\ntotals are equal\nnothing is left", done.stdout
    )


def test_the_statistics_of_a_file_are_right(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text("Foo bar\nfoo baz, bar foo\n")
    result = stats_of(path)
    assert (result["lines"], result["words"]) == (2, 6)
    assert result["top"] == [["foo", 3], ["bar", 2], ["baz", 1]]


def test_totals_do_not_depend_on_the_order_of_results(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / f"{name}.py").write_text(name * 3 + " common\n")
    results = [(path, stats_of(Path(path))) for path in text_files(tmp_path)]
    assert totals_of(results) == totals_of(reversed(results))
    assert totals_of(results)["files"] == 3
    assert totals_of(results) != totals_of(results[1:])


def test_hidden_and_generated_folders_are_no_inputs(tmp_path: Path) -> None:
    for folder in (".git", "__pycache__", "kept"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.py").touch()
    (tmp_path / "b.txt").touch()
    assert text_files(tmp_path) == [str(tmp_path / "kept" / "a.py")]


@pytest.mark.trio
async def test_unequal_results_are_no_success(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text("one\n")
    demo = Demo([str(path)], supers=1, clients=1)
    async with demo.mach:
        demo.mach.add("Start")
        wrong = {**stats_of(path), "lines": 99}
        demo.hear_client("client 1", {"event": "result", "path": str(path), "result": wrong})
        demo.hear_client("client 1", {"event": "done"})
        await demo.mach.when("Compared")
        assert demo.mach.is_("AllDone")
        assert demo.mach.not_("TotalsEqual")


@pytest.mark.trio
async def test_the_machine_goes_on_while_totals_are_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    may_end = threading.Event()

    def slow(path: Path) -> dict[str, object]:
        assert may_end.wait(20)
        return stats_of(path)

    monkeypatch.setattr(module, "stats_of", slow)
    demo = Demo([__file__], supers=1, clients=1)
    async with demo.mach:
        demo.mach.add("Start")
        demo.hear_client("client 1", {"event": "done"})
        assert demo.mach.is_("AllDone")
        assert demo.mach.add("PoolReady").executed
        assert demo.mach.not_("Compared")
        may_end.set()
        await demo.mach.when("Compared")
        assert not demo.mach.is_err


@pytest.mark.trio
async def test_slow_steps_are_no_standstill_and_old_news_is_no_step(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    path = tmp_path / "a.md"
    path.write_text("one\n")
    ready = {"id": "w1", "pid": 0, "states": ["Ready"], "tasks": 0}
    steps = (
        {"event": "pool", "workers": [ready], "restarts": 0},
        {"event": "ready", "addr": "127.0.0.1:1", "local_addr": f"unix:{tmp_path}/s"},
        {"event": "result", "path": str(path), "result": stats_of(path)},
    )
    demo = Demo([str(path)], supers=1, clients=1)
    async with demo.mach:
        demo.mach.add("Start")
        for line in steps:
            await trio.sleep(0.9 * demo.patience)
            if line["event"] == "result":
                demo.hear_client("client 1", line)
            else:
                demo.hear_supervisor(0, line)
        began = trio.current_time()
        while demo.mach.not_("StoodStill"):
            # Workers report all the time, and a result may come again.
            demo.hear_supervisor(0, steps[0])
            demo.hear_client("client 1", steps[2])
            await trio.sleep(0.1)
        assert trio.current_time() - began == pytest.approx(demo.patience, abs=0.2)


@pytest.mark.process
@pytest.mark.slow
def test_a_demo_that_stands_still_is_given_up_and_leaves_nothing() -> None:
    # Clients look for their supervisor where none is.
    nowhere = ("--discovery", f"{__name__}:nowhere", "--patience", "2")
    done = subprocess.run(
        [sys.executable, "-m", "examples.worker_pool", "--plain", *nowhere],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(
        r"NOT DONE: 0 of \d+ tasks, and nothing more was done for 2 s\nnothing is left",
        done.stdout,
    )


def nowhere(addresses: list[str]) -> am_node.Discovery:
    """A factory whose discovery leads to nobody."""
    return am_node.StaticList(["127.0.0.1:1"])


def test_what_is_left_behind_is_named(tmp_path: Path) -> None:
    demo = Demo([], supers=1, clients=1)
    demo.directories.add(str(tmp_path))
    demo.pids.add(1)
    assert demo.look_around() == ["process 1", f"directory {tmp_path}"]
    assert demo.mach.not_("NothingLeft")


def listed(addresses: list[str]) -> list[str]:
    """A factory that makes no discovery."""
    return addresses


def test_the_clients_take_any_discovery() -> None:
    assert isinstance(discovery("am_node:StaticList", ["127.0.0.1:7000"]), am_node.StaticList)
    with pytest.raises(ValueError, match="made no discovery"):
        discovery(f"{__name__}:listed", ["127.0.0.1:7000"])
