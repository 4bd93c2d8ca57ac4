"""Writing events inside the transaction of the change that they tell of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from django.db import transaction

from realtime import failpoints
from realtime.log.database import (
    EVENT_TABLE,
    STREAM_TABLE,
    connection,
    fetch,
    numbers_on_append,
)
from realtime.log.retention import create_stream
from realtime.log.values import Entry
from realtime.timestamps import now

LONGEST_RUN = 100
INSERT_COLUMNS = "seq, feed, key, action, live, was, data, created_at"


def append(entries: Sequence[Entry]) -> list[int]:
    """Add `entries` to the log, in their order, and return the ids of their events.

    They are part of the caller's transaction; without one, of a transaction of their own. The
    caller holds a lock on whatever each key names (its row was written just before), so that the
    newest event of a key is its newest state.
    """
    with transaction.atomic(using=connection().alias, savepoint=False):
        seq = _reserve_numbers(len(entries)) if numbers_on_append() else None
        ids: list[int] = []
        for run in _runs(entries):
            ids += _insert(run, None if seq is None else seq + len(ids))
        failpoints.reach("before_commit")
        return ids


def _runs(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """`entries` in runs that one statement can insert.

    A statement does not see its own rows, so no key is twice in a run: what an object was before
    would be looked up wrongly.
    """
    run: list[Entry] = []
    keys: set[tuple[str, str]] = set()
    for entry in entries:
        key = (entry.feed, entry.key)
        if len(run) == LONGEST_RUN or (key in keys and entry.key):
            yield run
            run, keys = [], set()
        run.append(entry)
        keys.add(key)
    if run:
        yield run


def _reserve_numbers(count: int) -> int:
    """Move the head by `count` and return the first of the new numbers."""
    sql = f"UPDATE {STREAM_TABLE} SET head = head + %s RETURNING head"
    rows = fetch(sql, (count,))
    if not rows:
        create_stream()
        rows = fetch(sql, (count,))
    head: int = rows[0][0]
    return head - count + 1


def _insert(entries: Sequence[Entry], first_seq: int | None) -> list[int]:
    created_at: Any = connection().ops.adapt_datetimefield_value(now())
    rows: list[str] = []
    parameters: list[Any] = []
    for offset, entry in enumerate(entries):
        was_sql, was_parameters = _was(entry)
        rows.append(f"(%s, %s, %s, %s, %s, {was_sql}, %s, %s)")
        seq = None if first_seq is None else first_seq + offset
        parameters += (seq, entry.feed, entry.key, entry.action.value, entry.live)
        parameters += (*was_parameters, entry.data, created_at)
    # Ids are given in the order of the rows; the order in which they are returned is not promised.
    inserted = fetch(
        f"INSERT INTO {EVENT_TABLE} ({INSERT_COLUMNS}) VALUES {', '.join(rows)} RETURNING id",
        parameters,
    )
    return sorted(row[0] for row in inserted)


def _was(entry: Entry) -> tuple[str, tuple[str, ...]]:
    """SQL for the filter values of the key's previous event, unless that had ended its life."""
    # What has no key is a message of its own: it was nothing before.
    if not entry.filter_fields or not entry.key:
        return "NULL", ()
    return _was_sql(entry.filter_fields, connection().vendor), (entry.feed, entry.key)


@cache
def _was_sql(filter_fields: tuple[str, ...], vendor: str) -> str:
    values = ", ".join(_json_pair(field, vendor) for field in filter_fields)
    build = "json_object" if vendor == "sqlite" else "json_build_object"
    cast = "" if vendor == "sqlite" else "::text"
    return (
        f"(SELECT CASE WHEN live THEN {build}({values}){cast} END FROM {EVENT_TABLE} "
        "WHERE feed = %s AND key = %s ORDER BY id DESC LIMIT 1)"
    )


def _json_pair(field: str, vendor: str) -> str:
    # Field names are identifiers: `realtime.feeds` refuses any other.
    if vendor == "sqlite":
        # `json_extract` would make numbers of true and false.
        return f"'{field}', json(data -> '$.{field}')"
    return f"'{field}', (data::json)->'{field}'"
