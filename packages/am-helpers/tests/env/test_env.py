"""Acceptance 10: environment switches, each alone and with junk; and the watchdog."""

from __future__ import annotations

import faulthandler
import io
import logging
import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any

import pytest
import trio

import am_helpers as amh
import am_machine as am
from am_helpers._env import debug_mode, logs, switches, values

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JUNK = ["maybe", "2x", "on;rm -rf /", "1" * 10_000, "é", "-1", "[::1", "host:99999"]
SWITCHES = ("steps", "graph", "checks", "queued", "args", "when", "state_ctx")


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No variable set, and nothing left of what a test switched on."""
    for name in [name for name in os.environ if name.startswith("AM_")]:
        monkeypatch.delenv(name)
    logger = logging.getLogger("am_machine")
    level, handlers, filters = logger.level, list(logger.handlers), list(logger.filters)
    monkeypatch.setattr(logs, "_stdout", None)
    monkeypatch.setattr(values, "_told", set())
    yield
    debug_mode.set_debug_mode(False)
    amh.register_debug_exporter(None)
    logger.setLevel(level)
    logger.handlers[:], logger.filters[:] = handlers, filters


def settings(mach: am.Machine) -> dict[str, Any]:
    found = {name: getattr(mach.sem_log, name) for name in SWITCHES}
    names = ("handler_timeout", "catch_exceptions", "log_traceback", "log_level", "tracers")
    return found | {name: getattr(mach, name) for name in names}


def applied(monkeypatch: pytest.MonkeyPatch, **env: str) -> tuple[am.Machine, dict[str, Any]]:
    """A machine after `debug_env`, and the settings that this changed."""
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    mach = am.Machine(amh.Basic, id="m1")
    before = settings(mach)
    amh.debug_env(mach)
    after = settings(mach)
    return mach, {name: after[name] for name in after if after[name] != before[name]}


class TestEachSwitchAlone:
    def test_nothing_set_changes_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert applied(monkeypatch)[1] == {}

    @pytest.mark.parametrize("value", ["1", "true", "YES", "on "])
    def test_am_debug(self, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
        mach, changed = applied(monkeypatch, AM_DEBUG=value)
        assert set(changed) <= {"handler_timeout", "catch_exceptions", "log_traceback", "tracers"}
        assert mach.handler_timeout == 600
        assert mach.catch_exceptions is False
        assert mach.log_traceback is True
        assert [type(tracer) for tracer in mach.tracers] == [amh.Watchdog]
        assert debug_mode.stretch(1) == 100
        monkeypatch.delenv("AM_DEBUG")
        amh.debug_env(am.Machine(amh.Basic))
        assert debug_mode.stretch(1) == 1, "what is set now counts"

    @pytest.mark.parametrize("value", ["", "0", "false", "No", "off"])
    def test_off_values(self, monkeypatch: pytest.MonkeyPatch, value: str, caplog: Any) -> None:
        assert applied(monkeypatch, AM_DEBUG=value, AM_LOG_FULL=value, AM_DBG_ADDR=value)[1] == {}
        assert caplog.records == []

    @pytest.mark.parametrize("level", range(6))
    def test_am_log(self, monkeypatch: pytest.MonkeyPatch, level: int) -> None:
        mach, changed = applied(monkeypatch, AM_LOG=str(level))
        assert mach.log_level == level
        assert set(changed) <= {"log_level"}

    @pytest.mark.parametrize("switch", SWITCHES)
    def test_semantic_log_switches(self, monkeypatch: pytest.MonkeyPatch, switch: str) -> None:
        assert applied(monkeypatch, **{f"AM_LOG_{switch.upper()}": "1"})[1] == {switch: True}

    def test_am_log_full(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert applied(monkeypatch, AM_LOG_FULL="1")[1] == dict.fromkeys(SWITCHES, True)

    def test_am_log_print(self, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
        mach, changed = applied(monkeypatch, AM_LOG_PRINT="1")
        assert changed == {}
        amh.debug_env(mach)
        mach.log_level = am.LogLevel.CHANGES
        mach.add("Start")
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 1
        assert lines[0].endswith("m1 [state] +Start")

    def test_am_log_file(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, machine: Any
    ) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("AM_LOG_FILE", "1")
        monkeypatch.setenv("AM_LOG", "2")
        mach, other = machine(amh.Basic, id="../we ird/é"), machine(amh.Basic, id="other")
        amh.debug_env(mach)
        amh.debug_env(other)
        mach.add("Start")
        other.add("Heartbeat")
        mach.dispose()
        other.dispose()
        path = tmp_path / ".._we_ird__.log"
        assert "[state] +Start" in path.read_text(encoding="utf-8")
        assert "Heartbeat" not in path.read_text(encoding="utf-8")
        assert sorted(p.name for p in tmp_path.iterdir()) == [path.name, "other.log"]

    def test_a_log_file_that_cannot_be_written_is_a_warning(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: Any
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "m1.log").mkdir()
        applied(monkeypatch, AM_LOG_FILE="1")
        assert "cannot write m1.log" in caplog.text

    def test_am_dbg_no_trace(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert applied(monkeypatch, AM_DBG_NO_TRACE="1")[1] == {"log_traceback": False}

    def test_am_trace_filter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = os.path.dirname(__file__) + "/"
        mach, _ = applied(monkeypatch, AM_TRACE_FILTER=folder)
        amh.debug_env(mach)
        stream = io.StringIO()
        handler = logging.StreamHandler(stream)
        logging.getLogger("am_machine").addHandler(handler)
        mach.log_level = am.LogLevel.CHANGES
        try:
            raise OSError("gone")
        except OSError as exc:
            mach.add_err(exc)
        assert 'File "test_env.py"' in stream.getvalue()
        assert folder not in stream.getvalue()

    def test_am_test_runner_ignores_debugging(self, monkeypatch: pytest.MonkeyPatch) -> None:
        seen: list[str] = []
        amh.register_debug_exporter(lambda mach, addr: seen.append(addr))
        mach, _ = applied(
            monkeypatch, AM_TEST_RUNNER="1", AM_DEBUG="1", AM_DBG_ADDR="1", AM_HEALTHCHECK="1"
        )
        assert mach.handler_timeout == 1
        assert mach.catch_exceptions
        assert mach.tracers == ()
        assert seen == []
        assert debug_mode.stretch(1) == 1

    @pytest.mark.trio
    async def test_am_healthcheck(
        self, monkeypatch: pytest.MonkeyPatch, autojump_clock: Any
    ) -> None:
        mach, _ = applied(monkeypatch, AM_HEALTHCHECK="1")
        async with mach:
            await trio.sleep(6)
            assert mach.tick("Healthcheck") == 1

    @pytest.mark.parametrize(
        ("value", "address"),
        [
            ("1", ["1"]),
            ("10.0.0.1:7", ["10.0.0.1:7"]),
            ("[::1]:80", ["[::1]:80"]),
            ("unix:/run/x y", ["unix:/run/x y"]),
            (" ", []),
            ("off", []),
        ],
    )
    def test_am_dbg_addr(
        self, monkeypatch: pytest.MonkeyPatch, value: str, address: list[str]
    ) -> None:
        seen: list[tuple[str, str]] = []
        amh.register_debug_exporter(lambda mach, addr: seen.append((mach.id, addr)))
        applied(monkeypatch, AM_DBG_ADDR=value)
        assert seen == [("m1", given) for given in address]


@pytest.mark.parametrize(
    ("debug", "runner", "expected"),
    [("1", "", True), ("", "", False), ("1", "1", False), ("maybe", "", False), ("off", "", False)],
)
def test_others_can_ask_whether_somebody_debugs(
    monkeypatch: pytest.MonkeyPatch, debug: str, runner: str, expected: bool
) -> None:
    monkeypatch.setenv("AM_DEBUG", debug)
    monkeypatch.setenv("AM_TEST_RUNNER", runner)
    assert amh.is_debugging() is expected


def test_what_is_installed_is_looked_for_once_on_each_import_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert list(switches.entry_points("am_helpers.test")) == []
    (tmp_path / "late-1.dist-info").mkdir()
    (tmp_path / "late-1.dist-info" / "METADATA").write_text("Name: late\nVersion: 1\n")
    named = tmp_path / "late-1.dist-info" / "entry_points.txt"
    named.write_text("[am_helpers.test]\npoint = am_helpers:common\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = switches.entry_points("am_helpers.test")
    assert [point.name for point in found] == ["point"]
    assert switches.entry_points("am_helpers.test") is found


class TestExporters:
    def test_none_installed_is_one_warning(
        self, monkeypatch: pytest.MonkeyPatch, caplog: Any
    ) -> None:
        monkeypatch.setattr(switches, "entry_points", lambda group: [])
        for _ in range(3):
            applied(monkeypatch, AM_DBG_ADDR="1")
        assert [r.levelname for r in caplog.records] == ["WARNING"]

    def test_an_installed_one_is_found_and_a_broken_one_is_one_warning(
        self, monkeypatch: pytest.MonkeyPatch, caplog: Any
    ) -> None:
        group = "am_helpers.debug_exporter"
        broken = EntryPoint("broken", "no_such_module:fn", group)
        good = EntryPoint("good", f"{__name__}:nothing", group)
        seen: list[str] = []
        monkeypatch.setattr(
            EntryPoint,
            "load",
            lambda self: _missing() if self.name == "broken" else lambda m, a: seen.append(a),
        )
        monkeypatch.setattr(switches, "entry_points", lambda group: [broken, good])
        applied(monkeypatch, AM_DBG_ADDR="1")
        applied(monkeypatch, AM_DBG_ADDR="1")
        assert seen == ["1"] * 2
        assert len(caplog.records) == 1
        assert "cannot be loaded" in caplog.text

    def test_one_that_fails_at_work_is_a_warning(
        self, monkeypatch: pytest.MonkeyPatch, caplog: Any
    ) -> None:
        amh.register_debug_exporter(lambda mach, addr: 1 / 0)
        applied(monkeypatch, AM_DBG_ADDR="1")
        assert "failed for m1" in caplog.text


class TestEnvironmentBinders:
    @pytest.fixture
    def bound(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """Ids of machines that an installed binder was given; beside it are two broken ones."""
        seen: list[str] = []
        group = "am_helpers.env_binders"
        loads = {
            "broken": _missing,
            "failing": lambda: lambda mach: 1 / 0,
            "good": lambda: lambda mach: seen.append(mach.id),
        }
        points = [EntryPoint(name, f"{__name__}:{name}", group) for name in loads]
        monkeypatch.setattr(EntryPoint, "load", lambda self: loads[self.name]())
        monkeypatch.setattr(
            switches, "entry_points", lambda group: points if group.endswith("binders") else []
        )
        return seen

    def test_each_is_given_the_machine_if_the_service_has_a_name(
        self, monkeypatch: pytest.MonkeyPatch, caplog: Any, bound: list[str]
    ) -> None:
        applied(monkeypatch, AM_SERVICE="shop")
        applied(monkeypatch, AM_SERVICE="shop")
        assert bound == ["m1", "m1"]
        assert caplog.text.count("cannot be loaded") == 1
        assert "failing failed for m1" in caplog.text

    @pytest.mark.parametrize("env", [{}, {"AM_SERVICE": " "}, {"AM_TEST_RUNNER": "1"}])
    def test_none_is_asked_without_a_name_or_in_ci(
        self, monkeypatch: pytest.MonkeyPatch, bound: list[str], env: dict[str, str]
    ) -> None:
        applied(monkeypatch, **({"AM_SERVICE": "shop"} if "AM_TEST_RUNNER" in env else {}), **env)
        assert bound == []

    def test_machines_for_inner_use_are_left_alone(
        self, monkeypatch: pytest.MonkeyPatch, bound: list[str]
    ) -> None:
        exported: list[str] = []
        amh.register_debug_exporter(lambda mach, addr: exported.append(mach.id))
        monkeypatch.setenv("AM_SERVICE", "shop")
        monkeypatch.setenv("AM_DBG_ADDR", "1")
        amh.debug_env(am.Machine({"Foo": {}}, id="inner", tags=["am:inner"]))
        amh.debug_env(am.Machine({"Foo": {}}, id="outer"))
        assert bound == exported == ["outer"]


def _missing() -> None:
    raise ImportError("no such module")


class TestJunk:
    @pytest.mark.parametrize("junk", JUNK)
    def test_junk_is_ignored_and_logged_once(
        self, monkeypatch: pytest.MonkeyPatch, caplog: Any, junk: str
    ) -> None:
        names = (
            "AM_DEBUG", "AM_LOG", "AM_LOG_PRINT", "AM_LOG_FILE", "AM_LOG_FULL",
            "AM_DBG_NO_TRACE", "AM_HEALTHCHECK", "AM_TEST_RUNNER",
            *(f"AM_LOG_{switch.upper()}" for switch in SWITCHES),
        )  # fmt: skip
        env = dict.fromkeys(names, junk)
        assert applied(monkeypatch, **env)[1] == {}
        assert applied(monkeypatch, **env)[1] == {}
        assert {r.levelname for r in caplog.records} == {"WARNING"}
        assert len(caplog.records) == len(names)
        assert all(len(r.getMessage()) < 200 for r in caplog.records)


def test_nothing_is_read_at_import() -> None:
    code = """
import os, sys
class Spy(dict):
    def seen(self, key):
        assert not str(key).startswith("AM_"), key
        return key
    def __getitem__(self, key): return super().__getitem__(self.seen(key))
    def get(self, key, default=None): return super().get(self.seen(key), default)
    def __contains__(self, key): return super().__contains__(self.seen(key))
os.environ = Spy(os.environ)
import am_helpers
heavy = {"networkx", "tenacity", "sqlite3", "pytest"} & set(sys.modules)
assert not heavy, heavy
"""
    env = {**os.environ, "AM_DEBUG": "1", "AM_LOG": "junk"}
    subprocess.run([sys.executable, "-c", code], check=True, env=env, timeout=60)


def test_enable_debugging_sets_the_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["AM_DEBUG", "AM_DBG_ADDR", "AM_LOG_FULL", "AM_LOG", "AM_LOG_PRINT"]
    for name in names:
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("AM_TEST_RUNNER", "1")
    amh.enable_debugging(stdout=True)
    assert [os.environ[name] for name in names] == [""] * 5
    monkeypatch.delenv("AM_TEST_RUNNER")
    amh.enable_debugging()
    assert [os.environ[name] for name in names] == ["1", "1", "1", "3", ""]
    amh.enable_debugging(stdout=True)
    assert os.environ["AM_LOG_PRINT"] == "1"


def test_common_applies_the_environment_before_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    class Handlers:
        def StartState(self, event: am.Event) -> None:
            event.add("Ready")

    monkeypatch.setenv("AM_LOG", "4")
    mach = amh.common(amh.Basic, id="c1", handlers=Handlers(), tags=["x"])
    mach.add("Start")
    assert mach.is_("Ready")
    assert (mach.id, mach.log_level, tuple(mach.tags)) == ("c1", 4, ("x",))


class TestWatchdog:
    def test_a_handler_that_hangs_is_shown(self) -> None:
        code = (
            "import am_machine as am, am_helpers as amh, time\n"
            "class H:\n"
            "    def FooState(self, event): time.sleep(0.6)\n"
            "m = am.Machine({'Foo': {}}, handlers=H(), tracers=[amh.Watchdog(after=0.1)])\n"
            "m.add('Foo')\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
        )
        assert "FooState" in done.stderr

    def test_it_is_armed_only_while_handlers_run(
        self, machine: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        calls: list[str] = []
        monkeypatch.setattr(
            faulthandler, "dump_traceback_later", lambda *a, **k: calls.append("arm")
        )
        monkeypatch.setattr(
            faulthandler, "cancel_dump_traceback_later", lambda: calls.append("cancel")
        )
        dog = amh.Watchdog()
        inner = machine({"Foo": {}}, handlers={"FooState": lambda e: None}, tracers=[dog])
        outer = machine(
            {"Foo": {}}, handlers={"FooState": lambda e: inner.add("Foo")}, tracers=[dog]
        )
        outer.add("Foo")
        assert calls == ["arm", "arm", "arm", "cancel"]

    def test_it_needs_a_time(self) -> None:
        with pytest.raises(ValueError, match="above 0"):
            amh.Watchdog(after=0)
