"""Where the stream stands, by one question that is cheap enough to be asked all the time."""

from __future__ import annotations

from typing import NamedTuple

from realtime.log.database import EVENT_TABLE, STREAM_TABLE, fetch

# Counting further would take time just when there is none: beyond it stands for "many".
MOST_COUNTED = 10_000

STANDING = (
    "SELECT identity, head, floor, (SELECT count(*) FROM "
    f"(SELECT 1 FROM {EVENT_TABLE} WHERE seq IS NULL LIMIT {MOST_COUNTED}) AS waiting) "
    f"FROM {STREAM_TABLE}"
)


class Standing(NamedTuple):
    """The stream's row, and how many committed events wait for their number (10,000 at most)."""

    identity: str
    head: int
    floor: int
    unnumbered: int


def standing() -> Standing | None:
    """Where the stream stands now; None before its first event. Writes nothing."""
    rows = fetch(STANDING)
    return Standing(*rows[0]) if rows else None
