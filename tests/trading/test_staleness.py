"""Tests of trading.staleness: which inputs are overdue, without a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from trading.staleness import FRESH, Inputs, judge

NOW = datetime(2024, 1, 15, 10, 30, tzinfo=UTC)
LIMIT = timedelta(seconds=300)

ages = st.none() | st.integers(0, 1000).map(lambda seconds: NOW - timedelta(seconds=seconds))


def ago(seconds: float) -> datetime:
    """So long before now."""
    return NOW - timedelta(seconds=seconds)


def test_an_account_without_readings_and_positions_is_not_stale() -> None:
    assert judge(Inputs(), now=NOW, limit=LIMIT) is FRESH


def test_inputs_at_their_limit_are_not_stale_and_beyond_it_they_are() -> None:
    assert judge(Inputs(last_reading=ago(300)), now=NOW, limit=LIMIT) is FRESH
    found = judge(Inputs(last_reading=ago(300.001)), now=NOW, limit=LIMIT)
    assert (found.inputs, found.since) == (("equity",), ago(300.001))


def test_an_open_position_awaits_a_first_reading_from_its_opening_on() -> None:
    prices = {"oldest_price": NOW}
    assert judge(Inputs(live_since=ago(10), **prices), now=NOW, limit=LIMIT) is FRESH
    found = judge(Inputs(live_since=ago(400), **prices), now=NOW, limit=LIMIT)
    assert (found.inputs, found.since) == (("equity",), ago(400))


def test_the_warning_says_what_is_overdue_since_when_and_by_which_limit() -> None:
    inputs = Inputs(last_reading=ago(600), live_since=ago(900), oldest_price=ago(400))
    found = judge(inputs, now=NOW, limit=LIMIT)
    assert found.inputs == ("equity", "prices")
    assert found.warning == (
        "No equity reading since 2024-01-15 10:20:00 UTC. No price of an open position since "
        "2024-01-15 10:23:20 UTC. The limit is 300 s."
    )


@given(ages, ages, ages)
def test_staleness_of_any_inputs_follows_its_definition(
    last_reading: datetime | None, live_since: datetime | None, oldest_price: datetime | None
) -> None:
    inputs = Inputs(last_reading, live_since, oldest_price)
    found = judge(inputs, now=NOW, limit=LIMIT)
    awaited = last_reading or live_since
    assert ("equity" in found.inputs) == (awaited is not None and awaited < NOW - LIMIT)
    assert ("prices" in found.inputs) == (oldest_price is not None and oldest_price < NOW - LIMIT)
    assert bool(found.inputs) == bool(found.warning) == (found.since is not None)
    assert judge(inputs, now=NOW, limit=timedelta(0)) is FRESH
