"""The command: what it prints, writes and refuses, and with which exit code."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from am_telemetry import __version__, grafana_dashboard
from am_telemetry._cli.main import main
from am_telemetry._grafana.alerts import Thresholds, alert_rules, rules_text

from ..grafana.fake_grafana import TOKEN, FakeGrafana, fake_grafana

BOARD = ["grafana", "--ids", "b, a", "--name", "N", "--source", "S"]


@pytest.fixture
def grafana(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGrafana]:
    monkeypatch.setenv("no_proxy", "*")
    with fake_grafana() as fake:
        yield fake


def test_a_dashboard_is_printed_as_json(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(BOARD) == 0
    out, err = capfdbinary.readouterr()
    assert json.loads(out) == grafana_dashboard(["a", "b"], "N", "S")
    assert out.endswith(b"\n")
    assert err == b""


def test_a_dashboard_is_written_with_its_options(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "board.json"
    path.write_text("an older one")
    options = ["--datasource", "P", "--logs", "L", "--out", str(path)]
    assert main([*BOARD, *options]) == 0
    expected = grafana_dashboard(["a", "b"], "N", "S", datasource="P", logs="L")
    assert json.loads(path.read_text()) == expected
    assert os.listdir(tmp_path) == ["board.json"]
    assert capsys.readouterr() == ("", "")


def test_a_pipe_or_device_is_written_to_and_stays_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    try:
        assert main([*BOARD, "--out", str(pipe)]) == 0
        written = os.read(reader, 1 << 16)
    finally:
        os.close(reader)
    assert json.loads(written) == grafana_dashboard(["a", "b"], "N", "S")
    assert pipe.is_fifo()
    assert os.listdir(tmp_path) == ["pipe"]


def test_a_link_stays_one_and_what_it_names_is_written(tmp_path: Path) -> None:
    link, goal = tmp_path / "link.json", tmp_path / "goal.json"
    link.symlink_to(goal)
    assert main([*BOARD, "--out", str(link)]) == 0
    assert link.is_symlink()
    assert json.loads(goal.read_text()) == grafana_dashboard(["a", "b"], "N", "S")


def test_a_dashboard_is_put_into_grafana_with_a_token_of_the_environment(
    grafana: FakeGrafana, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MY_TOKEN", TOKEN + "\n")
    options = ["--url", grafana.url, "--token-env", "MY_TOKEN", "--folder", "boards"]
    assert main([*BOARD, *options]) == 0
    ((uid, body),) = grafana.boards.items()
    assert body["dashboard"] == grafana_dashboard(["a", "b"], "N", "S")
    assert [folder["title"] for folder in grafana.folders] == ["boards"]
    assert capsys.readouterr() == (f"{grafana.url}/d/{uid}/board\n", "")


def test_a_refusal_of_grafana_is_one_line_without_the_token(
    grafana: FakeGrafana, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AM_GRAFANA_TOKEN", "glsa_wrong")
    assert main([*BOARD, "--url", grafana.url]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("am-telemetry: ")
    assert "401" in err
    assert err.count("\n") == 1
    assert "glsa_wrong" not in err


def test_alerts_are_printed_and_written(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert main(["alerts", "--source", "grün"]) == 0
    assert capfdbinary.readouterr().out == rules_text(alert_rules("grün")).encode()
    path = tmp_path / "rules.yml"
    limits = ["--queue", "5", "--quiet", "2"]
    assert main(["alerts", "--source", "S", *limits, "--out", str(path)]) == 0
    assert path.read_text() == rules_text(alert_rules("S", Thresholds(queue=5, quiet=2)))


@pytest.mark.parametrize(
    "argv",
    [
        ["grafana", "--ids", "", "--name", "N", "--source", "S"],
        ["grafana", "--ids", "a,", "--name", "N", "--source", "S"],
        ["grafana", "--ids", "a", "--name", "", "--source", "S"],
        ["alerts", "--source", ""],
        ["alerts", "--source", "S", "--queue", "0"],
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("am-telemetry: ")


@pytest.mark.parametrize("argv", [[], ["dashboards"], ["grafana", "--ids", "a"], ["alerts"]])
def test_an_unknown_or_incomplete_command_is_exit_code_2(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == 2


def test_a_file_that_cannot_be_written_is_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "missing" / "rules.yml"
    assert main(["alerts", "--source", "S", "--out", str(path)]) == 1
    assert "am-telemetry: " in capsys.readouterr().err


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"am-telemetry {__version__}\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_the_command_writes_utf_8_wherever_it_runs(encoding: str) -> None:
    code = "import sys; from am_telemetry._cli.main import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, "alerts", "--source", "grün ☃"],
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert "grün ☃" in done.stdout.decode()


def test_a_reader_that_has_left_is_no_failure() -> None:
    code = "import sys; from am_telemetry._cli.main import main; sys.exit(main(sys.argv[1:]))"
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, *BOARD],
            stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False,
        )  # fmt: skip
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_command_needs_no_extra() -> None:
    code = """
import sys
absent = ("msgpack", "opentelemetry.sdk", "opentelemetry.exporter", "prometheus_client")
sys.modules.update(dict.fromkeys(absent))
from am_telemetry._cli.main import main
assert main(["grafana", "--ids", "a", "--name", "N", "--source", "S"]) == 0
assert main(["alerts", "--source", "S"]) == 0
sys.exit(main(["check"]))
"""
    switches = {"AM_SERVICE": "demo", "AM_DBG_ADDR": "127.0.0.1:1", "AM_PROM_ADDR": "127.0.0.1:0"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, **switches}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "")
    for extra in ("dbg", "prometheus"):
        line = f'  ! {extra}: missing: python -m pip install "am-telemetry[{extra}]"\n'
        assert line in done.stdout


def test_without_shtab_the_command_tells_how_to_get_what_completes_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    with pytest.raises(SystemExit) as ended:
        main(["--print-completion", "bash"])
    assert ended.value.code == 2
    how = "--print-completion needs shtab: pip install 'am-telemetry[completion]'"
    assert capsys.readouterr() == ("", f"am-telemetry: {how}\n")
