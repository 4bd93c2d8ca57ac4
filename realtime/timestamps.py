"""Wall-clock time as the wire writes it."""

from __future__ import annotations

from datetime import UTC, datetime


def isoformat(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and `Z`, e.g. `2024-01-15T10:30:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def timestamp() -> str:
    """The present moment, as the wire writes it."""
    return isoformat(now())


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)
