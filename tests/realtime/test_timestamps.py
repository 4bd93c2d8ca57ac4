"""Times on the wire: UTC, milliseconds, `Z`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.timestamps import isoformat, now, timestamp


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2024, 1, 15, 10, 30, tzinfo=UTC), "2024-01-15T10:30:00.000Z"),
        (datetime(2024, 1, 15, 10, 30, 1, 999999, tzinfo=UTC), "2024-01-15T10:30:01.999Z"),
        (datetime(2024, 1, 15, 10, 30, 1, 1000, tzinfo=UTC), "2024-01-15T10:30:01.001Z"),
        (
            datetime(2024, 1, 15, 1, 0, tzinfo=timezone(timedelta(hours=2))),
            "2024-01-14T23:00:00.000Z",
        ),
    ],
)
def test_moment_is_written_in_utc_with_milliseconds(moment: datetime, text: str) -> None:
    assert isoformat(moment) == text


@given(
    moment=st.datetimes(
        min_value=datetime(1970, 1, 2),  # noqa: DTZ001 - the strategy adds the zone
        max_value=datetime(2200, 1, 1),  # noqa: DTZ001
        timezones=st.timezones(),
    )
)
def test_moment_comes_back_to_the_millisecond(moment: datetime) -> None:
    text = isoformat(moment)
    assert len(text) == len("2024-01-15T10:30:00.000Z")
    assert timedelta(0) <= moment - datetime.fromisoformat(text) < timedelta(milliseconds=1)


def test_now_is_aware_and_written_alike() -> None:
    before = now()
    written = datetime.fromisoformat(timestamp())
    assert before.utcoffset() == timedelta(0)
    assert timedelta(milliseconds=-1) <= written - before < timedelta(minutes=1)
