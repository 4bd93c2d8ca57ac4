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
    SELECT CASE WHEN probe.created_at >= %s THEN low ELSE probe.id + 1 END,
           CASE WHEN probe.created_at >= %s THEN (low + high) / 2 ELSE high END
    FROM narrowing JOIN {EVENT_TABLE} AS probe
        ON probe.id = (SELECT min(id) FROM {EVENT_TABLE} WHERE id >= (low + high) / 2)
    WHERE low < high
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
