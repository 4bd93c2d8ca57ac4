"""Finding the place of a time in the log by its ids: no index on times, no scan."""

from __future__ import annotations

from datetime import datetime, timedelta

from realtime.log.database import EVENT_TABLE, connection, fetch

# An event's time is taken just before its id: two writers' may be in another order.
DISORDER = timedelta(minutes=1)

# Halves the ids until one is left; a hole in them is answered by the event after it.
FIRST_ID_SINCE = f"""
WITH RECURSIVE narrowing(low, high) AS (
    SELECT coalesce(min(id), 0), coalesce(max(id), 0) + 1 FROM {EVENT_TABLE}
    UNION ALL
    SELECT CASE WHEN created_at >= %s THEN low ELSE found + 1 END,
           CASE WHEN created_at >= %s THEN middle ELSE high END
    FROM (
        SELECT low, high, middle,
            (SELECT id FROM {EVENT_TABLE} WHERE id >= middle ORDER BY id LIMIT 1) AS found,
            (SELECT created_at FROM {EVENT_TABLE} WHERE id >= middle ORDER BY id LIMIT 1)
                AS created_at
        FROM (SELECT low, high, (low + high) / 2 AS middle FROM narrowing WHERE low < high)
            AS halves
    ) AS probes
)
SELECT max(low) FROM narrowing
"""


def first_id_since(moment: datetime) -> int:
    """The id from which on events are not older than `moment`; events a minute around it may be."""
    at = connection().ops.adapt_datetimefield_value(moment)
    first: int = fetch(FIRST_ID_SINCE, (at, at))[0][0]
    return first


def ids_between(since: datetime, until: datetime) -> tuple[int, int]:
    """The ids, the second excluded, among which all events of `since` to `until` are."""
    return first_id_since(since - DISORDER), first_id_since(until + DISORDER)
