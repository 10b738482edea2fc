"""What the environment asks of the stream: addresses, levels, secrets; and what is wrong there."""

from __future__ import annotations

import logging
import os
import stat
import sys
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import pytest
import trustme

import am_machine as am
from am_telemetry import _env, bind_env
from am_telemetry._bind import export_to_debugger
from am_telemetry._dbg import connecting, from_env
from am_telemetry._hub import hub as hub_module
from am_telemetry.dbg import DbgExporter, default_addresses
from am_telemetry.testing import Receiver

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = {"A": {}, "B": {}}


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("AM_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(_env, "_told", set())
    monkeypatch.setattr(from_env, "_exporters", {})
    monkeypatch.setattr(connecting, "FIRST_PAUSE", 0.02)
    monkeypatch.setattr(hub_module, "LINGER", 0.02)


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "asyncmachine"


def exporter() -> DbgExporter:
    [found] = from_env._exporters.values()
    return found


def test_a_machine_is_streamed_to_the_address_and_bound_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Receiver() as receiver:
        monkeypatch.setenv("AM_DBG_ADDR", receiver.address)
        mach = am.Machine(SCHEMA, id="m")
        bind_env(mach)
        bind_env(mach)
        export_to_debugger(mach, receiver.address)
        mach.add("A")
        assert exporter().flush(5)
        assert len(receiver.machine("m").txs) == 1
        assert len(receiver.processes) == 1
        exporter().close()


def test_1_is_the_users_own_socket(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("AM_DBG_ADDR", "1")
    with Receiver(f"unix:{runtime / 'dbg.sock'}") as receiver:
        mach = am.Machine(SCHEMA, id="m")
        bind_env(mach)
        mach.add("A")
        assert exporter().flush(5)
        assert len(receiver.machine("m").txs) == 1
        exporter().close()


def test_default_addresses_are_the_users_folder_and_then_loopback(runtime: Path) -> None:
    assert default_addresses() == ("127.0.0.1:6831",)
    assert not runtime.exists()
    expected = (f"unix:{runtime / 'dbg.sock'}", "127.0.0.1:6831")
    assert default_addresses(make=True) == expected
    assert stat.S_IMODE(runtime.stat().st_mode) == 0o700
    assert default_addresses() == expected


def test_the_folder_can_be_used_whatever_the_umask(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "not" / "there"))
    before = os.umask(0o777)
    try:
        default_addresses(make=True)
    finally:
        os.umask(before)
    for folder in ("not", "not/there", "not/there/asyncmachine"):
        assert stat.S_IMODE((tmp_path / folder).stat().st_mode) == 0o700


def test_without_a_runtime_folder_it_is_one_of_the_users_own_in_tmp(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = tmp_path / f"asyncmachine-{os.getuid()}"
    assert default_addresses(make=True)[0] == f"unix:{folder / 'dbg.sock'}"


def test_a_folder_that_others_reach_is_refused_with_a_warning(
    runtime: Path, caplog: pytest.LogCaptureFixture
) -> None:
    runtime.mkdir(mode=0o755)
    runtime.chmod(0o755)
    with caplog.at_level(logging.WARNING, "am_telemetry"):
        assert default_addresses() == ("127.0.0.1:6831",)
        assert default_addresses() == ("127.0.0.1:6831",)
    assert caplog.text.count("open to other users") == 1


def test_a_folder_that_is_a_link_is_refused(
    runtime: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    runtime.symlink_to(other)
    with caplog.at_level(logging.WARNING, "am_telemetry"):
        assert default_addresses() == ("127.0.0.1:6831",)
    assert "is no folder" in caplog.text


@pytest.mark.parametrize("value", ["", "0", "false", "no", "off", "OFF"])
def test_off_is_off(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AM_DBG_ADDR", value)
    mach = am.Machine(SCHEMA)
    bind_env(mach)
    assert mach.tracers == ()


@pytest.mark.parametrize("value", ["nonsense", "host:port", "localhost:99999", "http://a:5/"])
def test_what_is_no_address_is_one_warning_and_no_listener(
    value: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AM_DBG_ADDR", value)
    mach = am.Machine(SCHEMA)
    with caplog.at_level(logging.WARNING, "am_telemetry"):
        bind_env(mach)
        bind_env(am.Machine(SCHEMA))
    assert len(caplog.records) == 1
    assert "AM_DBG_ADDR" in caplog.text
    assert mach.tracers == ()


def test_the_other_switches_are_those_of_the_exporter(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pem = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(pem)
    values = {
        "AM_DBG_ADDR": "127.0.0.1:1",
        "AM_DBG_DETAIL": "2",
        "AM_DBG_SECRET": "s3cret",
        "AM_DBG_TLS_CA": str(pem),
        "AM_DBG_NO_TRACE": "1",
        "AM_DBG_BUFFER": "5000",
        "AM_DBG_LOSSLESS": "1",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    bind_env(am.Machine(SCHEMA))
    settings = exporter()._consumer._settings
    assert settings[1] == b"s3cret"
    assert settings.tls is not None
    assert settings[3:] == (2, 5000, False)
    assert "s3cret" not in repr(exporter())
    exporter().close()


def test_switches_that_make_no_sense_are_told_and_left(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in {
        "AM_DBG_ADDR": "127.0.0.1:1",
        "AM_DBG_DETAIL": "9",
        "AM_DBG_BUFFER": "-5",
        "AM_DBG_NO_TRACE": "perhaps",
        "AM_DBG_TLS_CA": "/nowhere.pem",
    }.items():
        monkeypatch.setenv(name, value)
    with caplog.at_level(logging.WARNING, "am_telemetry"):
        bind_env(am.Machine(SCHEMA))
    told = [record.getMessage().partition("=")[0] for record in caplog.records]
    assert sorted(told) == ["AM_DBG_BUFFER", "AM_DBG_DETAIL", "AM_DBG_NO_TRACE", "AM_DBG_TLS_CA"]
    settings = exporter()._consumer._settings
    assert settings[3:] == (1, 20_000, True)
    # A certificate was asked for: nothing goes out in the clear.
    assert settings.tls is not None
    exporter().close()


def test_inner_machines_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AM_DBG_ADDR", "127.0.0.1:1")
    mach = am.Machine(SCHEMA, tags=["am:inner"])
    bind_env(mach)
    export_to_debugger(mach, "127.0.0.1:1")
    assert mach.tracers == ()


def test_without_msgpack_it_is_one_warning_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "msgpack", None)
    monkeypatch.setattr("am_telemetry._bind.find_spec", lambda name: None)
    monkeypatch.setenv("AM_DBG_ADDR", "127.0.0.1:1")
    with caplog.at_level(logging.WARNING, "am_telemetry"):
        bind_env(am.Machine(SCHEMA))
        bind_env(am.Machine(SCHEMA))
    assert len(caplog.records) == 1
    assert 'pip install "am-telemetry[dbg]"' in caplog.text


def test_other_packages_find_it_by_entry_points() -> None:
    [exporter_point] = entry_points(group="am_helpers.debug_exporter", name="am-telemetry")
    assert exporter_point.load() is export_to_debugger
    [binder] = entry_points(group="am_helpers.env_binders", name="am-telemetry")
    assert binder.load() is bind_env
