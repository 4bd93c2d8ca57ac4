"""Wall-clock time as the wire writes it."""

from __future__ import annotations

from datetime import UTC, datetime


def isoformat(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and `Z`, e.g. `2024-01-15T10:30:00.000Z`."""
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


def timestamp() -> str:
    """The present moment, as the wire writes it."""
    return isoformat(now())


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)
