"""Tests of random markets: the same seed, the same market."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from trading import amounts
from trading.simulation.quotes import Bar
from trading.simulation.random_walk import DEFAULT_SYMBOLS, FIRST_BAR, next_start, random_bars


def first_bars(seed: str, count: int = 200) -> list[Bar]:
    """The beginning of a market."""
    return list(islice(random_bars(seed=seed, symbols=DEFAULT_SYMBOLS, start=FIRST_BAR), count))


def test_the_same_seed_gives_the_same_market() -> None:
    assert first_bars("a") == first_bars("a")
    assert first_bars("a") != first_bars("b")


def test_a_market_of_a_seed_is_the_same_on_every_machine() -> None:
    last = first_bars("a")[-1].quotes
    assert (last["BTC/USDT"].spot, last["XRP/USDT"].perp) == (
        Decimal("44547.94"),
        Decimal("0.57059"),
    )


@given(st.text(max_size=5))
def test_every_price_is_one_that_services_take(seed: str) -> None:
    for bar in first_bars(seed, 30):
        for quote in bar.quotes.values():
            for price in (quote.spot, quote.perp):
                assert amounts.price(price, field="price") == price
            if quote.funding_rate is not None:
                assert amounts.exact(quote.funding_rate, field="rate") == quote.funding_rate


def test_funding_is_settled_every_eight_hours() -> None:
    settled = [
        bar.time for bar in first_bars("a") if bar.quotes["BTC/USDT"].funding_rate is not None
    ]
    assert settled[:3] == [FIRST_BAR + index * timedelta(hours=8) for index in range(3)]


def test_now_and_then_perpetuals_run_away_from_spot() -> None:
    premiums = [
        bar.quotes["BTC/USDT"].perp / bar.quotes["BTC/USDT"].spot - 1
        for bar in first_bars("a", 3000)
    ]
    assert max(premiums) > Decimal("0.005")
    assert sum(premiums) / len(premiums) < Decimal("0.003")


def test_a_market_goes_on_where_the_last_one_ended() -> None:
    assert next_start(after=None) == FIRST_BAR
    assert next_start(after=datetime(2023, 6, 1, tzinfo=UTC)) == FIRST_BAR
    assert next_start(after=FIRST_BAR) == FIRST_BAR + timedelta(minutes=15)
    odd = FIRST_BAR + timedelta(hours=3, minutes=7, seconds=1)
    assert next_start(after=odd) == FIRST_BAR + timedelta(hours=3, minutes=15)
