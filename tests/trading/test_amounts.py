"""Tests of trading.amounts: what is exact, and what is refused with a sentence."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading import amounts, errors

exact_decimals = (
    st.integers(-(10**15) + 1, 10**15 - 1)
    .flatmap(
        lambda digits: st.integers(-8, 0).map(lambda exponent: Decimal(digits).scaleb(exponent))
    )
    .filter(lambda number: abs(number) < amounts.CEILING)
)


@given(exact_decimals)
def test_exact_numbers_come_through_unchanged(number: Decimal) -> None:
    assert amounts.exact(number, field="amount") == number
    assert amounts.exact(str(number), field="amount") == number


@given(exact_decimals)
def test_exact_numbers_survive_a_double_as_sqlite_stores_them(number: Decimal) -> None:
    stored = float(amounts.exact(number, field="amount"))
    assert Decimal(f"{stored:.15g}") == number


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("NaN", "finite"),
        ("sNaN", "finite"),
        ("Infinity", "finite"),
        (Decimal("-Infinity"), "finite"),
        ("twelve", "decimal number"),
        ("", "decimal number"),
        ("1" * 65, "too long"),
        (0.1, "never a float"),
        (True, "never a float"),
        (None, "never a float"),
        ("0.000000001", "8 decimals"),
        (Decimal("1E-999999"), "8 decimals"),
        ("1234567890.123456", "15 significant digits"),
        (Decimal(1).scaleb(12), "below 1,000,000,000,000"),
        pytest.param(10**5000, "below 1,000,000,000,000", id="five thousand digits"),
        (Decimal("1E+999999"), "below 1,000,000,000,000"),
    ],
)
def test_numbers_that_a_column_cannot_hold_are_refused(value: Any, problem: str) -> None:
    with pytest.raises(errors.InvalidAmount, match=problem) as refusal:
        amounts.exact(value, field="fees")
    assert refusal.value.code == "invalid_amount"
    assert "fees" in refusal.value.fields


@given(st.decimals(allow_nan=True, allow_infinity=True))
def test_any_decimal_is_either_exact_or_refused(number: Decimal) -> None:
    try:
        taken = amounts.exact(number, field="amount")
    except errors.InvalidAmount:
        return
    assert taken == number


@given(st.text(max_size=80))
def test_any_text_is_either_a_number_or_refused(text: str) -> None:
    try:
        taken = amounts.exact(text, field="amount")
    except errors.InvalidAmount:
        return
    assert taken.is_finite()


def test_zero_has_no_sign_and_no_exponent() -> None:
    assert str(amounts.exact("-0E-5", field="amount")) == "0"
    assert str(amounts.exact("1E+3", field="amount")) == "1000"


@pytest.mark.parametrize("value", ["0", "-1", Decimal("-0.00000001")])
def test_prices_and_quantities_are_above_zero(value: Any) -> None:
    with pytest.raises(errors.InvalidPrice, match="above zero"):
        amounts.price(value, field="spot")
    with pytest.raises(errors.InvalidQuantity, match="above zero"):
        amounts.quantity(value, field="spot_quantity")


def test_fees_may_be_zero_but_not_negative() -> None:
    assert amounts.fee(0, field="fees") == 0
    with pytest.raises(errors.InvalidAmount, match="negative"):
        amounts.fee("-0.01", field="fees")


@pytest.mark.parametrize("value", ["0.5", 0, 201])
def test_leverage_is_between_one_and_two_hundred(value: Any) -> None:
    assert amounts.leverage(200, field="leverage") == 200
    with pytest.raises(errors.InvalidAmount, match="between 1 and 200"):
        amounts.leverage(value, field="leverage")


@given(st.decimals(-(10**11), 10**11, places=20))
def test_rounded_amounts_are_exact_and_near(number: Decimal) -> None:
    taken = amounts.rounded(number, field="pnl")
    assert amounts.exact(taken, field="pnl") == taken
    assert abs(taken - number) <= max(Decimal("5E-9"), abs(number) * Decimal("5E-15"))


def test_a_computed_amount_too_large_for_its_column_is_refused() -> None:
    with pytest.raises(errors.InvalidAmount, match=r"1\.000E\+12"):
        amounts.rounded(Decimal(10) ** 12, field="pnl")


@pytest.mark.parametrize("symbol", ["BTC/USDT", "1000SHIB/USDT", "A/B"])
def test_symbols_are_base_and_quote(symbol: str) -> None:
    assert amounts.symbol(symbol) == symbol


@pytest.mark.parametrize(
    "symbol",
    ["", "BTC", "BTCUSDT", "btc/usdt", "BTC/", "/USDT", "BTC/USDT/X", "BTC-USDT", "BTC/USDT\n"],
)
def test_malformed_symbols_are_refused_with_an_example(symbol: str) -> None:
    with pytest.raises(errors.InvalidSymbol, match="BTC/USDT") as refusal:
        amounts.symbol(symbol)
    assert refusal.value.code == "invalid_symbol"


def test_market_time_needs_a_zone() -> None:
    moment = datetime(2024, 1, 15, tzinfo=UTC)
    assert amounts.market_time(moment) == moment
    assert amounts.market_time(None).tzinfo is not None
    with pytest.raises(errors.InvalidTime, match="time zone"):
        amounts.market_time(moment.replace(tzinfo=None))


def test_text_that_a_column_could_not_hold_is_refused() -> None:
    assert amounts.text("  carry ", field="strategy_id", longest=10) == "carry"
    with pytest.raises(errors.InvalidText, match="at most 10 characters"):
        amounts.text("x" * 11, field="strategy_id", longest=10)
    with pytest.raises(errors.InvalidText, match="null character"):
        amounts.text("a\x00b", field="strategy_id", longest=10)
