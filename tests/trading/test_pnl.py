"""Tests of trading.pnl: arithmetic that loses nothing."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading import pnl
from trading.pnl import Leg

prices = st.decimals("0.00000001", 10**6, places=8)
quantities = st.decimals("0.00000001", 10**6, places=8)
money = st.decimals(-(10**9), 10**9, places=8)
fees = st.decimals(0, 10**6, places=8)
legs = st.builds(Leg, entry_price=prices, quantity=quantities)


@given(legs, legs, prices, prices, money, fees)
def test_net_pnl_is_both_legs_and_funding_less_fees(
    spot: Leg, perp: Leg, spot_price: Decimal, perp_price: Decimal, funding: Decimal, fee: Decimal
) -> None:
    net = pnl.net_pnl(
        spot=spot,
        perp=perp,
        spot_price=spot_price,
        perp_price=perp_price,
        funding=funding,
        fees=fee,
    )
    assert net is not None
    exact = (
        (Fraction(spot_price) - Fraction(spot.entry_price)) * Fraction(spot.quantity)
        + (Fraction(perp.entry_price) - Fraction(perp_price)) * Fraction(perp.quantity)
        + Fraction(funding)
        - Fraction(fee)
    )
    assert Fraction(net) == exact


@given(legs, money, prices)
def test_a_hedge_of_equal_quantities_earns_nothing_from_a_parallel_move(
    leg: Leg, funding: Decimal, rise: Decimal
) -> None:
    net = pnl.net_pnl(
        spot=leg,
        perp=leg,
        spot_price=leg.entry_price + rise,
        perp_price=leg.entry_price + rise,
        funding=funding,
        fees=Decimal(0),
    )
    assert net == funding


@pytest.mark.parametrize(
    ("spot_price", "perp_price"),
    [(None, Decimal(1)), (Decimal(1), None), (None, None)],
)
def test_net_pnl_is_unknown_while_a_price_is(
    spot_price: Decimal | None, perp_price: Decimal | None
) -> None:
    leg = Leg(entry_price=Decimal(1), quantity=Decimal(1))
    net = pnl.net_pnl(
        spot=leg,
        perp=leg,
        spot_price=spot_price,
        perp_price=perp_price,
        funding=Decimal(5),
        fees=Decimal(1),
    )
    assert net is None


def test_the_protocols_example_adds_up() -> None:
    net = pnl.net_pnl(
        spot=Leg(Decimal(45000), Decimal("0.1")),
        perp=Leg(Decimal(45010), Decimal("0.1")),
        spot_price=Decimal(45500),
        perp_price=Decimal("45132.5"),
        funding=Decimal("12.50"),
        fees=Decimal(0),
    )
    assert net == Decimal("50.25")


def test_a_short_receives_funding_at_a_positive_rate_and_pays_at_a_negative_one() -> None:
    received = pnl.funding_payment(
        perp_price=Decimal(45000), quantity=Decimal("0.1"), rate=Decimal("0.0001")
    )
    paid = pnl.funding_payment(
        perp_price=Decimal(45000), quantity=Decimal("0.1"), rate=Decimal("-0.0001")
    )
    assert (received, paid) == (Decimal("0.45"), Decimal("-0.45"))


@given(legs, st.decimals(1, 200, places=2), st.decimals(0, "0.5", places=4))
def test_at_the_liquidation_price_the_margin_left_is_the_maintenance_margin(
    perp: Leg, leverage: Decimal, maintenance: Decimal
) -> None:
    price = pnl.liquidation_price(perp=perp, leverage=leverage, maintenance_margin=maintenance)
    margin = Fraction(perp.entry_value) / Fraction(leverage)
    loss = (Fraction(price) - Fraction(perp.entry_price)) * Fraction(perp.quantity)
    needed = Fraction(maintenance) * Fraction(price) * Fraction(perp.quantity)
    assert abs(margin - loss - needed) < Fraction(1, 10**30)


def test_liquidation_distance_is_how_far_the_perpetual_may_rise() -> None:
    liquidation = Decimal(150)
    assert pnl.liquidation_distance(liquidation=liquidation, perp_price=Decimal(100)) == Decimal(
        "0.5"
    )
    assert pnl.liquidation_distance(liquidation=liquidation, perp_price=Decimal(200)) == Decimal(
        "-0.25"
    )
    assert pnl.liquidation_distance(liquidation=liquidation, perp_price=None) is None


@given(money, money, st.decimals(0, 1, places=8))
def test_a_loss_is_above_a_limit_exactly_when_its_fraction_is(
    base: Decimal, equity: Decimal, limit: Decimal
) -> None:
    fraction = pnl.loss_fraction(base=base, equity=equity)
    assert 0 <= fraction <= 1000
    assert fraction == round(fraction, 8)
    if base > 0:
        exact = max(Fraction(0), (Fraction(base) - Fraction(equity)) / Fraction(base))
        assert (fraction > limit) == (exact > Fraction(limit))


def test_a_loss_above_its_limit_by_less_than_is_kept_is_above_it() -> None:
    # 3 % of a billion and a cent: the fraction has eleven decimals, of which eight are kept.
    loss = pnl.daily_loss(day_start=Decimal(10**9), equity=Decimal("969999999.99"))
    assert loss == Decimal("0.03000001")
    assert pnl.drawdown(peak=Decimal(10**9), equity=Decimal(97 * 10**7)) == Decimal("0.03")


def test_losses_are_measured_from_the_peak_and_from_the_days_start() -> None:
    assert pnl.drawdown(peak=Decimal(100), equity=Decimal(94)) == Decimal("0.06")
    assert pnl.daily_loss(day_start=Decimal(100), equity=Decimal(103)) == 0
    assert pnl.daily_loss(day_start=Decimal(0), equity=Decimal(-1)) == 1
