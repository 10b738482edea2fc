"""Dashboards are kept for machines as they appear, and nobody waits for Grafana."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

import am_machine as am
from am_telemetry._grafana import from_env, keeper
from am_telemetry._grafana.dashboard import dashboard_uid
from am_telemetry._grafana.from_env import bind_grafana
from am_telemetry._grafana.keeper import Keeper
from am_telemetry._hub import Hub

from .fake_grafana import TOKEN, FakeGrafana

LONG = 20.0
"""Seconds that a test waits for what should come at once."""


@pytest.fixture
def hub() -> Hub:
    """A hub of the test's own, whose thread ends with what is bound."""
    return Hub()


@pytest.fixture
def kept(grafana: FakeGrafana, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Iterator[Keeper]:
    """One that does not wait for more machines to come."""
    monkeypatch.setattr(keeper, "QUIET", 0.0)
    one = Keeper(grafana.url, TOKEN, "demo")
    yield one
    hub.close(one)


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def titles(fake: FakeGrafana, name: str) -> list[str]:
    """The rows of a board that was written."""
    body = fake.boards.get(dashboard_uid(name, "demo"))
    panels = body["dashboard"]["panels"] if body else ()
    return [p["title"].removeprefix("Mach: ") for p in panels if p["title"].startswith("Mach: ")]


def machine(ident: str, parent: am.Machine | None = None) -> am.Machine:
    return am.Machine({"A": {}}, id=ident, parent=parent)


def test_a_board_follows_the_machine_and_its_submachines(
    grafana: FakeGrafana, hub: Hub, kept: Keeper
) -> None:
    top = machine("top")
    first = machine("first", top)
    hub.attach(kept, top)
    until(lambda: titles(grafana, "top") == ["first", "top"])
    second = machine("second", top)
    third = machine("third", second)
    everything = [one.id for one in (first, second, third, top)]
    until(lambda: titles(grafana, "top") == everything)
    assert len(grafana.boards) == 1
    assert [folder["title"] for folder in grafana.folders] == ["asyncmachine"]


def test_each_topmost_machine_has_a_board_of_its_own(
    grafana: FakeGrafana, hub: Hub, kept: Keeper
) -> None:
    machines = [machine("a"), machine("b")]
    for one in machines:
        hub.attach(kept, one)
    until(lambda: (titles(grafana, "a"), titles(grafana, "b")) == (["a"], ["b"]))


def test_a_crowd_of_submachines_makes_one_board_to_choose_from(
    grafana: FakeGrafana, hub: Hub, kept: Keeper
) -> None:
    top = machine("top")
    hub.attach(kept, top)
    children = [machine(f"w{n}", top) for n in range(keeper.MOST_MACHINES)]
    children.append(machine("grandchild", children[-1]))
    until(lambda: titles(grafana, "top") == ["$machine"])
    assert set(grafana.boards) == {dashboard_uid("top", "demo")}


def test_machines_without_parents_do_not_make_boards_without_end(
    hub: Hub, kept: Keeper, monkeypatch: pytest.MonkeyPatch, grafana: FakeGrafana
) -> None:
    monkeypatch.setattr(keeper, "MOST_BOARDS", 2)
    machines = [machine(ident) for ident in "abc"]
    for one in machines:
        hub.attach(kept, one)
    until(lambda: titles(grafana, "a") and titles(grafana, "b"))
    hub.close(kept)
    assert len(grafana.boards) == 2


def test_what_is_due_is_written_when_the_hub_closes(
    grafana: FakeGrafana, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Keeper(grafana.url, TOKEN, "demo")
    monkeypatch.setattr(keeper, "QUIET", 1000.0)
    top = machine("top")
    hub.attach(one, top)
    hub.close(one)
    assert titles(grafana, "top") == ["top"]


def test_a_grafana_that_refuses_is_told_once_and_asked_again_later(
    grafana: FakeGrafana,
    hub: Hub,
    kept: Keeper,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(keeper, "AGAIN", 0.05)
    grafana.faults["/api/folders"] = (503, b'{"message":"starting"}')
    top = machine("top")
    hub.attach(kept, top)
    until(lambda: len(grafana.asked) >= 3)
    grafana.faults.clear()
    until(lambda: titles(grafana, "top") == ["top"])
    warnings = [r.message for r in caplog.records if r.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "the dashboard of top is not written now" in warnings[0]
    assert "503: starting" in warnings[0]
    assert TOKEN not in caplog.text


def test_a_silent_grafana_holds_up_neither_machine_nor_hub(
    grafana: FakeGrafana, hub: Hub, kept: Keeper
) -> None:
    grafana.folders = [{"uid": "u", "title": "x" * 1000}]
    grafana.drip = 1.0
    top = machine("top")
    hub.attach(kept, top)
    until(lambda: grafana.asked)
    top.add("A")
    assert hub.sync(0.9)
    began = time.monotonic()
    hub.close(kept, 0.3)
    assert time.monotonic() - began < LONG
    assert grafana.boards == {}


def test_a_program_ends_at_once_beside_a_grafana_that_says_nothing() -> None:
    program = """
import sys, am_machine as am, am_telemetry
machine = am.Machine({"A": {}}, id="m")
am_telemetry.bind_env(machine)
machine.add("A")
sys.stdin.readline()  # until its question is on the way
sys.exit(7)
"""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        env = {**os.environ, "AM_GRAFANA_URL": url, "AM_SERVICE": "demo", "no_proxy": "*"}
        silent.settimeout(60)
        with subprocess.Popen(
            [sys.executable, "-W", "error", "-c", program],
            env=env, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as asking, silent.accept()[0]:  # fmt: skip
            # The limit of a dashboard is ten seconds, that of an exit one.
            told = asking.communicate("\n", timeout=9)[1]
    assert (asking.returncode, told) == (7, "")


def test_a_child_process_leaves_what_was_due_to_its_parent(grafana: FakeGrafana) -> None:
    one = Keeper(grafana.url, TOKEN, "demo")
    hub = Hub()
    top = machine("top")
    hub.attach(one, top)
    one.forked()
    hub.close(one)
    assert grafana.asked == []


@pytest.mark.parametrize(
    ("variables", "complaint"),
    [
        ({"AM_GRAFANA_URL": "http://127.0.0.1:1"}, "needs AM_SERVICE"),
        ({"AM_GRAFANA_URL": "nowhere", "AM_SERVICE": "demo"}, "is of no use"),
        ({"AM_GRAFANA_URL": "http://me:pw@h", "AM_SERVICE": "demo"}, "use a token"),
        ({"AM_GRAFANA_TOKEN": "t", "AM_SERVICE": "demo"}, ""),
    ],
)
def test_an_environment_that_cannot_be_followed_is_one_warning(
    variables: dict[str, str],
    complaint: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name in ("AM_GRAFANA_URL", "AM_GRAFANA_TOKEN", "AM_SERVICE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("am_telemetry._env._told", set())
    for ident in "ab":
        bind_grafana(machine(ident))
    assert [complaint in r.message for r in caplog.records] == [True] * bool(complaint)
    assert "pw" not in caplog.text


def test_the_environment_binds_one_keeper_for_all_machines(
    grafana: FakeGrafana, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AM_GRAFANA_URL", grafana.url)
    monkeypatch.setenv("AM_GRAFANA_TOKEN", TOKEN)
    monkeypatch.setenv("AM_SERVICE", "demo")
    monkeypatch.setattr(from_env, "_keepers", {})
    machines = [machine(ident) for ident in "ab"]
    for one in (*machines, *machines):
        bind_grafana(one)
    (only,) = from_env._keepers.values()
    Hub.of_process().close(only)
    assert (titles(grafana, "a"), titles(grafana, "b")) == (["a"], ["b"])
