"""Reading the log: pages without a hole, and the state as of one number."""

from __future__ import annotations

from collections.abc import Sequence

from realtime.log.database import (
    COLUMNS,
    EVENT_TABLE,
    STREAM_TABLE,
    fetch,
    to_events,
)
from realtime.log.retention import create_stream
from realtime.log.values import TAIL_EVENTS, HistoryExpired, LoggedEvent, Newest, Position

POSITION = f"SELECT identity, head, floor FROM {STREAM_TABLE}"


def position() -> Position:
    """Where the stream stands now."""
    rows = fetch(POSITION)
    if not rows:
        create_stream()
        rows = fetch(POSITION)
    return Position(*rows[0])


def read(after: int, limit: int) -> list[LoggedEvent]:
    """The events `after + 1`, `after + 2`, … in order, at most `limit`; empty at the head.

    Raises HistoryExpired when the first of them, or one between, is no longer there.
    """
    rows = fetch(
        f"SELECT {COLUMNS} FROM {EVENT_TABLE} WHERE seq > %s ORDER BY seq LIMIT %s",
        (after, limit),
    )
    events = to_events(rows)
    if events and (events[0].seq != after + 1 or events[-1].seq != after + len(events)):
        raise HistoryExpired(f"the log no longer holds every event after {after}")
    return events


def newest(feed: str, keys: Sequence[str]) -> dict[str, Newest]:
    """The newest event of each of `keys`, numbered or not; keys without one are left out."""
    if not keys:
        return {}
    marks = ", ".join(["%s"] * len(keys))
    rows = fetch(
        f"SELECT key, id, live, data FROM {EVENT_TABLE} WHERE id IN (SELECT max(id) "
        f"FROM {EVENT_TABLE} WHERE feed = %s AND key IN ({marks}) GROUP BY key)",
        (feed, *keys),
    )
    return {key: Newest(key, id_, bool(live), data) for key, id_, live, data in rows}


def newest_live(feed: str, *, up_to_id: int) -> list[Newest]:
    """The newest event of each live key of `feed`, where it is no newer than `up_to_id`."""
    rows = fetch(
        f"SELECT key, id, live, data FROM {EVENT_TABLE} WHERE live AND id <= %s AND id IN "
        f"(SELECT max(id) FROM {EVENT_TABLE} WHERE feed = %s AND key <> '' GROUP BY key)",
        (up_to_id, feed),
    )
    return [Newest(key, id_, bool(live), data) for key, id_, live, data in rows]


def newest_id() -> int:
    """The id of the newest event that is visible; 0 without one."""
    rows = fetch(f"SELECT coalesce(max(id), 0) FROM {EVENT_TABLE}")
    id_: int = rows[0][0]
    return id_


def state(*, keyless_feeds: Sequence[str]) -> tuple[Position, list[LoggedEvent]]:
    """The newest event of every live key, and the last 50 of each keyless feed, at the head.

    One statement, hence one snapshot of the database: the events are exactly those as of the
    position's `head`, in the order of `seq`.
    """
    tails = "".join(
        f" UNION ALL SELECT * FROM (SELECT id FROM {EVENT_TABLE} WHERE feed = %s "
        f"AND seq IS NOT NULL ORDER BY seq DESC LIMIT {TAIL_EVENTS}) AS tail_{index}"
        for index in range(len(keyless_feeds))
    )
    columns = ", ".join(f"event.{column}" for column in COLUMNS.split(", "))
    rows = fetch(
        f"SELECT stream.identity, stream.head, stream.floor, {columns} "
        f"FROM {STREAM_TABLE} AS stream LEFT JOIN {EVENT_TABLE} AS event ON event.live "
        f"AND event.id IN (SELECT max(id) FROM {EVENT_TABLE} "
        f"WHERE key <> '' AND seq IS NOT NULL GROUP BY feed, key{tails}) "
        "ORDER BY event.seq",
        tuple(keyless_feeds),
    )
    if not rows:
        create_stream()
        return state(keyless_feeds=keyless_feeds)
    return Position(*rows[0][:3]), to_events(row[3:] for row in rows if row[3] is not None)
