"""A crash, bar by bar: trading pauses and stops at the bars that the prices alone say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest

from tests.trading.exactness import floats_refused
from tests.trading.simulation.markets import RECORDINGS
from trading import services
from trading.errors import TradingPaused
from trading.models import Account, Position, RiskChange, RiskStatus
from trading.simulation.recording import read_market

pytestmark = pytest.mark.django_db

RECORDED = RECORDINGS / "btc_1h_2021q3.csv"
FIRST = datetime(2021, 9, 5, tzinfo=UTC)
LAST = datetime(2021, 9, 8, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
# Found by hand in the recording: 52 670 → 50 860.50 that day, and then 47 374.10.
PAUSED_AT = datetime(2021, 9, 7, 9, tzinfo=UTC)
STOPPED_AT = datetime(2021, 9, 7, 14, tzinfo=UTC)


@dataclass(frozen=True)
class Price:
    """One hour's price."""

    time: datetime
    spot: Decimal


def recorded_crash() -> list[Price]:
    """September 2021, when Bitcoin fell by a tenth within an hour."""
    bars = read_market(RECORDED)
    return [
        Price(bar.time, bar.quotes["BTC/USDT"].spot) for bar in bars if FIRST <= bar.time <= LAST
    ]


def generated_crash() -> list[Price]:
    """A slow rise, a bad day that pauses, a quiet one that does not, and a fall that stops."""
    prices = []
    price = Decimal(50_000)
    for hour in range(int((LAST - FIRST) / HOUR) + 1):
        step = {30: "-1600", 52: "-900", 53: "-900"}.get(hour, "7.25")
        price += Decimal(step)
        prices.append(Price(FIRST + hour * HOUR, price))
    return prices


def expected_statuses(prices: list[Price]) -> Iterator[str]:
    """What the rules say at each bar, in exact fractions and nothing of the engine's."""
    peak = day_start = before = Fraction(prices[0].spot)
    day, paused_on, is_stopped = prices[0].time.date(), None, False
    for price in prices:
        equity = Fraction(price.spot)
        if price.time.date() != day:
            day, day_start = price.time.date(), before
        peak, before = max(peak, equity), equity
        is_stopped = is_stopped or (peak - equity) * 100 > 6 * peak
        if (day_start - equity) * 100 > 3 * day_start:
            paused_on = day
        yield "hard_stop" if is_stopped else "soft_pause" if paused_on == day else "normal"


def trade_through(prices: list[Price]) -> list[str]:
    """Hold one coin of spot whose short was never filled; returns the status after each bar.

    At each bar the desk wants one more position, as long as it may.
    """
    first = prices[0]
    coin = services.start_position(
        symbol="BTC/USDT", spot_price=first.spot, perp_price=first.spot, at=first.time
    )
    services.record_fill(
        position_id=coin.pk,
        leg="spot",
        effect="opening",
        price=first.spot,
        quantity=1,
        fill_id="1",
        at=first.time,
    )
    statuses = []
    for price in prices:
        pair = services.Prices(spot=price.spot, perp=price.spot)
        [coin] = services.reprice_positions(prices={"BTC/USDT": pair}, at=price.time)
        assert coin.unrealized_pnl is not None
        equity = first.spot + coin.unrealized_pnl
        services.record_equity(total_equity=equity, at=price.time)
        statuses.append(RiskStatus.objects.get().status)
        assert wants_one_more(price.time) == (statuses[-1] == "normal")
    return statuses


def wants_one_more(at: datetime) -> bool:
    """Whether a position was opened."""
    try:
        services.open_position(
            symbol="ETH/USDT",
            spot_entry_price="3900",
            perp_entry_price="3901",
            spot_quantity="0.1",
            perp_quantity="0.1",
            at=at,
        )
    except TradingPaused:
        return False
    return True


def check_crash(prices: list[Price]) -> None:
    """Every bar has the status that its prices say, and each transition is a row of its time."""
    with floats_refused():
        statuses = trade_through(prices)
    assert statuses == list(expected_statuses(prices))
    turns = [
        (prices[number].time, before, after)
        for number, (before, after) in enumerate(zip(["normal", *statuses], statuses, strict=False))
        if before != after
    ]
    changes = RiskChange.objects.order_by("id")
    assert [(each.recorded_at, each.old_status, each.new_status) for each in changes] == turns
    stop = changes[len(turns) - 1]
    assert stop.new_status == "hard_stop"
    # What was open is closing, from that bar on; nothing was opened or touched afterwards.
    assert {position.status for position in Position.objects.all()} == {"closing"}
    marked = Position.objects.exclude(symbol="BTC/USDT").values_list("recorded_at", flat=True)
    assert set(marked) == {stop.recorded_at}


@pytest.mark.skipif(not RECORDED.exists(), reason=f"the recording {RECORDED.name} is not there")
def test_the_crash_of_september_2021_pauses_and_stops_at_its_bars(default_account: Account) -> None:
    check_crash(recorded_crash())
    times = list(RiskChange.objects.order_by("id").values_list("new_status", "recorded_at"))
    assert times == [("soft_pause", PAUSED_AT), ("hard_stop", STOPPED_AT)]


def test_a_crash_after_a_bad_day_stops_at_its_bar(default_account: Account) -> None:
    check_crash(generated_crash())
    turns = [change.new_status for change in RiskChange.objects.order_by("id")]
    assert turns == ["soft_pause", "normal", "hard_stop"]
