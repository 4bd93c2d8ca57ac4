"""The database that carries the stream, and the rows of its tables as values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from realtime.conf import conf
from realtime.log.values import LoggedEvent
from realtime.timestamps import isoformat

EVENT_TABLE = "realtime_event"
STREAM_TABLE = "realtime_stream"
STREAM_ID = 1
RELAY_TIMEOUTS = "SET idle_in_transaction_session_timeout = '5s'; SET statement_timeout = '30s'"
COLUMNS = "seq, id, feed, key, action, live, was, data, created_at"


def connection() -> BaseDatabaseWrapper:
    """This thread's connection to the stream's database."""
    return connections[conf().database]


def guard_connection() -> None:
    """Open this thread's connection so that a dead peer or a lock cannot hold the relay for ever.

    The lock on the Stream row ends with the session that holds it: an idle one is ended soon.
    """
    database = connection()
    if database.connection is None and database.vendor == "postgresql":
        database.ensure_connection()
        with database.cursor() as cursor:
            cursor.execute(RELAY_TIMEOUTS)


def numbers_on_append() -> bool:
    """Whether events are numbered in the writer's transaction (SQLite: writers are serial)."""
    return connection().vendor == "sqlite"


def fetch(sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Run one statement and return its rows."""
    with connection().cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


def to_events(rows: Iterable[tuple[Any, ...]]) -> list[LoggedEvent]:
    """Turn rows of `COLUMNS` into events."""
    return [
        LoggedEvent(seq, id_, feed, key, action, bool(live), was, data, _timestamp(created_at))
        for seq, id_, feed, key, action, live, was, data, created_at in rows
    ]


def _timestamp(value: datetime | str) -> str:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    # SQLite stores UTC without its zone.
    return isoformat(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
