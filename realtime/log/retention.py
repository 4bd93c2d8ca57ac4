"""The stream's identity and how much of it is kept."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

from django.db import transaction

from realtime.conf import conf
from realtime.log.database import EVENT_TABLE, STREAM_ID, STREAM_TABLE, connection, fetch
from realtime.log.values import TAIL_EVENTS
from realtime.timestamps import now


def create_stream() -> None:
    """Write the missing Stream row under a new identity; harmless when another did it first.

    It goes on after the newest number that the log still holds: a number is never given twice.
    """
    fetch(
        f"INSERT INTO {STREAM_TABLE} (id, identity, head, floor) "
        f"SELECT %s, %s, coalesce(max(seq), 0), coalesce(max(seq), 0) + 1 FROM {EVENT_TABLE} "
        "WHERE true ON CONFLICT (id) DO NOTHING RETURNING id",
        (STREAM_ID, _new_identity()),
    )


def new_stream() -> str:
    """Give the stream a new identity, so that every client starts afresh; a step of each restore.

    Returns the identity. Numbers go on: what was sent after the backup may be numbered otherwise
    now, and no client may resume across that.
    """
    identity = _new_identity()
    with transaction.atomic(using=connection().alias):
        rows = fetch(
            f"UPDATE {STREAM_TABLE} SET identity = %s, floor = head + 1 RETURNING id", (identity,)
        )
        if not rows:
            create_stream()
            identity = fetch(f"SELECT identity FROM {STREAM_TABLE}")[0][0]
    return identity


def prune(*, batch: int = 5000) -> int:
    """Remove at most `batch` events beyond the history that the settings keep; return how many.

    What snapshots are made of stays, however old: the newest event of a live key, the last 50 of a
    feed without keys. The floor rises in the same transaction: no replay has a hole.
    """
    oldest_kept = connection().ops.adapt_datetimefield_value(
        now() - timedelta(hours=conf().history_hours)
    )
    # First without the lock: on SQLite a transaction waits its turn among all that write, and so
    # would everything that the relay has to hand on.
    if _next_floor(oldest_kept, batch=batch, lock="") is None:
        return 0
    with transaction.atomic(using=connection().alias):
        new_floor = _next_floor(oldest_kept, batch=batch, lock=_for_update())
        return 0 if new_floor is None else _remove_below(new_floor)


def _next_floor(oldest_kept: Any, *, batch: int, lock: str) -> int | None:
    """The floor that removing at most `batch` events would leave; None when it is high enough."""
    rows = fetch(
        f"SELECT stream.head, stream.floor, (SELECT min(seq) FROM {EVENT_TABLE} "
        "WHERE seq >= stream.floor AND created_at >= %s) "
        f"FROM {STREAM_TABLE} AS stream{lock}",
        (oldest_kept,),
    )
    if not rows:
        return None
    head, floor, first_young = rows[0]
    wanted = max(head - conf().history_events + 1, first_young or head + 1)
    new_floor: int = min(wanted, floor + batch)
    return new_floor if new_floor > floor else None


def _remove_below(new_floor: int) -> int:
    fetch(f"UPDATE {STREAM_TABLE} SET floor = %s RETURNING id", (new_floor,))
    removed = fetch(
        f"DELETE FROM {EVENT_TABLE} WHERE id IN (SELECT old.id FROM {EVENT_TABLE} AS old "
        "WHERE old.seq < %s AND (NOT old.live OR (SELECT count(*) FROM ("
        f"SELECT 1 FROM {EVENT_TABLE} AS newer WHERE newer.feed = old.feed "
        "AND newer.key = old.key AND newer.seq > old.seq "
        f"LIMIT {TAIL_EVENTS}) AS later) >= CASE WHEN old.key = '' THEN {TAIL_EVENTS} ELSE 1 END"
        ")) RETURNING id",
        (new_floor,),
    )
    return len(removed)


def _for_update() -> str:
    return "" if connection().vendor == "sqlite" else " FOR UPDATE"


def _new_identity() -> str:
    return secrets.token_hex(4)
