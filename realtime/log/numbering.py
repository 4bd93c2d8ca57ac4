"""PostgreSQL: events get their numbers after their commit, from whoever relays first."""

from __future__ import annotations

from django.db import transaction

from realtime import failpoints
from realtime.log.database import (
    COLUMNS,
    EVENT_TABLE,
    STREAM_TABLE,
    connection,
    fetch,
    numbers_on_append,
    to_events,
)
from realtime.log.retention import create_stream
from realtime.log.values import LoggedEvent

LOCK = f"SELECT identity, head FROM {STREAM_TABLE} FOR UPDATE"

# Under the lock, in a second statement: its snapshot must be younger than the lock, or two relays
# number from the same head. Ids are sorted, never used as the order of commits.
NUMBER = f"""
WITH chosen AS (
    SELECT id, %s + row_number() OVER (ORDER BY id) AS next FROM (
        SELECT id FROM {EVENT_TABLE} WHERE seq IS NULL ORDER BY id LIMIT %s
    ) AS oldest
), numbered AS (
    UPDATE {EVENT_TABLE} AS event SET seq = chosen.next FROM chosen WHERE event.id = chosen.id
    RETURNING {", ".join(f"event.{column}" for column in COLUMNS.split(", "))}
), moved AS (
    UPDATE {STREAM_TABLE} SET head = head + (SELECT count(*) FROM numbered)
)
SELECT {COLUMNS} FROM numbered ORDER BY seq
"""


def has_unnumbered() -> bool:
    """Whether a committed event still waits for its number."""
    if numbers_on_append():
        return False
    return bool(fetch(f"SELECT EXISTS (SELECT 1 FROM {EVENT_TABLE} WHERE seq IS NULL)")[0][0])


def number(limit: int) -> tuple[str, list[LoggedEvent]]:
    """Number at most `limit` committed events; the stream's identity and these events in order."""
    if numbers_on_append():
        return "", []
    with transaction.atomic(using=connection().alias):
        locked = fetch(LOCK)
        if not locked:
            create_stream()
            locked = fetch(LOCK)
        identity, head = locked[0]
        events = to_events(fetch(NUMBER, (head, limit)))
        if events:
            failpoints.reach("while_numbering")
        return identity, events
