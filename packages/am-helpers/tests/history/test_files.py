"""Reading a history file without writing to it, by the class and by the command."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import stat
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import trio

import am_helpers as amh
import am_machine as am
from am_helpers._history import _tables
from am_helpers._history._cli import escaped, main

if TYPE_CHECKING:
    from pathlib import Path

STATES: dict[str, Any] = {"Foo": {}, "Many": {"multi": True}, "Bar": {"require": ["Foo"]}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with two machines."""
    path = tmp_path / "h.sqlite"

    async def make() -> None:
        one, two = am.Machine(STATES, id="one"), am.Machine({"Other": {}}, id="two")
        config = amh.HistoryConfig(store_transitions=True, store_schema=True)
        async with amh.SqliteHistory(one, path, config), amh.SqliteHistory(two, path):
            one.add("Foo", name="x")
            one.add("Bar")
            one.remove("Foo")
            two.add("Other")

    trio.run(make)
    return path


def contents(path: Path) -> dict[str, str]:
    return {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in path.parent.iterdir()
    }


def test_machines_and_records_are_read_with_names_of_states(path: Path) -> None:
    with amh.HistoryFile(path) as file:
        machines = file.machines()
        records = file.records("one")
        assert file.path == path
    assert [m.machine_id for m in machines] == ["one", "two"]
    assert machines[0].schema is not None
    assert [r.id for r in records] == [3, 2, 1]
    assert records[1].clock == {"Foo": 1, "Many": 0, "Bar": 1, "Exception": 0}
    assert records[1].active == ("Foo", "Bar")
    assert records[0].states == ("Foo", "Many", "Bar", "Exception")


def test_queries_and_limits_work_as_in_a_history(path: Path) -> None:
    with amh.HistoryFile(path) as file:
        entered = file.records("one", amh.Query(activated=("Bar",)))
        newest = file.records("one", limit=1, with_tx=True)
        with pytest.raises(amh.QueryError, match="Other"):
            file.records("one", amh.Query(active=("Other",)))
        with pytest.raises(amh.HistoryError, match="no machine 'three'"):
            file.records("three")
    assert [r.id for r in entered] == [2]
    assert newest[0].transition is not None
    assert newest[0].transition.called_states == ("Foo",)


@pytest.mark.parametrize("field", ["time_sum", "diff_sum", "record_diff_sum", "machine_tick"])
def test_bounds_may_be_larger_than_any_number_of_a_file(path: Path, field: str) -> None:
    low, high = amh.Bound(**{field: -(10**30)}), amh.Bound(**{field: 10**30})
    with amh.HistoryFile(path) as file:
        assert len(file.records("one", amh.Query(start=low, end=high))) == 3
        assert file.records("one", amh.Query(start=high, end=high)) == []


def test_reading_changes_no_byte_of_the_file(path: Path) -> None:
    before = contents(path)
    with amh.HistoryFile(path) as file:
        file.machines()
        file.records("one")
    assert contents(path)["h.sqlite"] == before["h.sqlite"]


async def _load(path: Path) -> None:
    await amh.load_machine(path, "one")


def test_restoring_changes_no_byte_of_the_file_before_a_history_is_attached(path: Path) -> None:
    before = contents(path)
    trio.run(_load, path)
    assert contents(path)["h.sqlite"] == before["h.sqlite"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_no_obstacle(path: Path) -> None:
    path.parent.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        with amh.HistoryFile(path) as file:
            assert len(file.machines()) == 2
    finally:
        path.parent.chmod(stat.S_IRWXU)


def test_an_immutable_opening_reads_a_closed_file(path: Path) -> None:
    with closing(_tables.open_reader(path, mode="immutable")) as reading:
        count = reading.connection.execute("SELECT count(*) FROM times").fetchone()
    assert count == (4,)


async def _while_written(path: Path) -> list[int]:
    mach = am.Machine(STATES, id="one")
    counts = []
    async with amh.SqliteHistory(mach, path) as history:
        for _ in range(3):
            mach.add("Many")
            await history.sync()
            with amh.HistoryFile(path) as file:
                counts.append(len(file.records("one")))
    return counts


def test_a_file_is_read_while_it_is_written(path: Path) -> None:
    assert trio.run(_while_written, path) == [4, 5, 6]


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TRIGGER t AFTER INSERT ON machines BEGIN DELETE FROM times; END",
        "CREATE VIEW v AS SELECT 1",
        "DROP TABLE stretches",
        "ALTER TABLE times ADD COLUMN more",
        "PRAGMA user_version = 7",
    ],
)
def test_a_file_whose_tables_are_others_is_refused(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute(sql)
        db.commit()
    with pytest.raises(amh.HistoryError):
        amh.HistoryFile(path)
    with pytest.raises(amh.HistoryError):
        trio.run(_while_written, path)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE versions SET tracked = '[1'",
        "UPDATE versions SET state_names = '{}'",
        "UPDATE keyframes SET ticks = 'x'",
        "UPDATE keyframes SET ticks = '[1]'",
        "UPDATE times SET at = 9223372036854775807",
        "UPDATE times SET version = 99",
        "UPDATE ticks SET tick = 'x'",
        "DELETE FROM states",
        "DELETE FROM versions",
        "UPDATE transitions SET called = '[77]'",
        "UPDATE transitions SET args = 'x'",
    ],
)
def test_a_damaged_file_is_a_history_error_and_nothing_else(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute(sql)
        db.commit()

    def read(file: amh.HistoryFile) -> None:
        file.machines()
        file.records("one", with_tx=True)

    with amh.HistoryFile(path) as file, pytest.raises(amh.HistoryError):
        read(file)


def test_a_question_that_takes_too_long_is_given_up(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_tables, "PATIENCE", -1.0)
    late = pytest.raises(amh.HistoryError, match="interrupted")
    with amh.HistoryFile(path) as file, late:  # between small steps
        file.records("one")
    monkeypatch.setattr(_tables, "_STEPS", 1)  # in a large one
    with amh.HistoryFile(path) as file, late:
        file.records("one")


def test_a_missing_file_is_an_error_and_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(amh.HistoryError, match="no such file"):
        amh.HistoryFile(tmp_path / "none.sqlite")
    assert list(tmp_path.iterdir()) == []


class TestCommand:
    def test_it_lists_machines(self, path: Path, capsys: Any) -> None:
        assert main([str(path)]) == 0
        one, two = capsys.readouterr().out.splitlines()
        assert one.startswith("one  ")
        assert one.endswith("last record 3, restored 0 times  []")
        assert two.endswith("[Other]")

    def test_it_lists_records_newest_first(self, path: Path, capsys: Any) -> None:
        assert main([str(path), "one", "--limit", "2"]) == 0
        newest, older = capsys.readouterr().out.splitlines()
        assert newest.split()[0] == "3"
        assert newest.endswith("remove -Foo:2 -Bar:2  []")
        assert older.endswith("add +Bar:1  [Foo Bar]")

    def test_conditions_times_transitions_and_json(self, path: Path, capsys: Any) -> None:
        ago = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
        options = ["--activated", "Foo", "--since", ago, "--transitions"]
        assert main([str(path), "one", *options]) == 0
        assert capsys.readouterr().out.rstrip().endswith("[Foo]  Foo(name=x)")
        assert main([str(path), "one", "--until", ago]) == 0
        assert capsys.readouterr().out == ""
        assert main([str(path), "one", "--json", "--limit", "1"]) == 0
        assert json.loads(capsys.readouterr().out)["tracked_time"] == [2, 0, 2, 0]
        assert main([str(path), "--json"]) == 0
        assert "machine_id" in json.loads(capsys.readouterr().out.splitlines()[0])

    def test_faults_have_their_exit_codes(self, path: Path, capsys: Any) -> None:
        assert main([str(path), "three"]) == 1
        assert main([str(path.parent / "none")]) == 1
        assert main([str(path), "one", "--active", "Nope"]) == 2
        assert "not tracked: Nope" in capsys.readouterr().err
        for wrong in (["--limit", "-1"], ["--since", "yesterday"]):
            with pytest.raises(SystemExit, match="2"):
                main([str(path), "one", *wrong])

    def test_what_a_stranger_wrote_cannot_command_the_terminal(
        self, path: Path, capsys: Any
    ) -> None:
        with closing(sqlite3.connect(path)) as db:
            db.execute("UPDATE machines SET machine_id = ? WHERE id = 1", ("\x1b[2Jone\n",))
            db.commit()
        assert main([str(path)]) == 0
        assert "\\x1b[2Jone\\n" in capsys.readouterr().out
        assert escaped("Fo\u202eo \ud800é") == "Fo\\u202eo \\ud800é"
