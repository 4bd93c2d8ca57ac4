"""The log as it is read along: nothing twice, nothing overlooked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.support.databases import SqliteDatabase
from tests.soak.log_reader import LogReader

TABLES = (
    "CREATE TABLE realtime_stream (floor INTEGER)",
    "INSERT INTO realtime_stream VALUES (1)",
    "CREATE TABLE realtime_event "
    "(seq INTEGER, id INTEGER, feed TEXT, key TEXT, action TEXT, data TEXT)",
)


@pytest.fixture
def database(tmp_path: Path) -> SqliteDatabase:
    made = SqliteDatabase(tmp_path / "log.sqlite3")
    for statement in TABLES:
        made.execute(statement)
    return made


def append(database: SqliteDatabase, *seqs: int) -> None:
    for seq in seqs:
        data = json.dumps({"message": f"number {seq}"})
        values = f"{seq}, {seq}, 'system_log', '', 'created', '{data}'"
        database.execute(f"INSERT INTO realtime_event VALUES ({values})")


def test_events_are_kept_when_they_are_pruned(database: SqliteDatabase) -> None:
    reader = LogReader(database)
    append(database, 1, 2)
    reader.read()
    database.execute("DELETE FROM realtime_event WHERE seq = 1")
    database.execute("UPDATE realtime_stream SET floor = 2")
    append(database, 3)
    reader.read()
    reader.read()
    assert [reader.events[seq]["data"]["message"] for seq in (1, 2, 3)] == [
        "number 1",
        "number 2",
        "number 3",
    ]


def test_hole_is_a_failure(database: SqliteDatabase) -> None:
    append(database, 1, 3)
    with pytest.raises(AssertionError, match="a hole before 3"):
        LogReader(database).read()


def test_what_was_pruned_before_it_was_read_is_told_apart(database: SqliteDatabase) -> None:
    database.execute("UPDATE realtime_stream SET floor = 3")
    append(database, 3)
    with pytest.raises(AssertionError, match="pruned before it was read"):
        LogReader(database).read()
