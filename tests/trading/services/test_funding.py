"""Tests of funding: rows, their sum, and payments that come late or twice."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.trading.conftest import MONDAY, ReadEvents, open_example
from trading import errors, services
from trading.models import Account, FundingPayment, Position

pytestmark = pytest.mark.django_db

EIGHT_HOURS = timedelta(hours=8)


def test_a_payment_is_a_row_and_part_of_the_pnl(position: Position, new_events: ReadEvents) -> None:
    services.update_position(
        position_id=position.pk, spot_current_price="45000", perp_current_price="45010"
    )
    new_events()
    services.accrue_funding(
        position_id=position.pk, amount="0.45", rate="0.0001", at=MONDAY + EIGHT_HOURS
    )
    payment = FundingPayment.objects.get()
    assert (payment.amount, payment.rate) == (Decimal("0.45"), Decimal("0.0001"))
    [(_, action, data)] = new_events()
    assert (action, data["funding_collected"], data["unrealized_pnl"]) == (
        "updated",
        "0.45",
        "0.45",
    )


def test_a_settlement_is_paid_once(position: Position) -> None:
    services.accrue_funding(position_id=position.pk, amount="0.45", at=MONDAY)
    with pytest.raises(errors.FundingAlreadyAccrued):
        services.accrue_funding(position_id=position.pk, amount="0.45", at=MONDAY)
    assert Position.objects.get(pk=position.pk).funding_collected == Decimal("0.45")


def test_a_late_payment_corrects_what_was_realised(
    position: Position, new_events: ReadEvents
) -> None:
    closed_at = MONDAY + EIGHT_HOURS
    services.close_position(
        position_id=position.pk, spot_exit_price="45000", perp_exit_price="45010", at=closed_at
    )
    new_events()
    services.accrue_funding(position_id=position.pk, amount="-0.30", at=closed_at)
    stored = Position.objects.get(pk=position.pk)
    assert stored.realized_pnl == Decimal("-0.30")
    assert [event[1] for event in new_events()] == ["closed"]


def test_a_closed_position_earns_nothing_more(position: Position) -> None:
    services.close_position(
        position_id=position.pk, spot_exit_price="45000", perp_exit_price="45010", at=MONDAY
    )
    with pytest.raises(errors.FundingAfterClose):
        services.accrue_funding(
            position_id=position.pk, amount="0.45", at=MONDAY + timedelta(seconds=1)
        )
    assert not FundingPayment.objects.exists()


def test_a_settlement_pays_every_live_position_of_its_symbol(default_account: Account) -> None:
    priced = open_example(perp_current_price="50000")
    unpriced = open_example()
    other = open_example(symbol="ETH/USDT", perp_current_price="50000")
    paid = services.settle_funding(rates={"BTC/USDT": "-0.0002"}, at=MONDAY)
    assert [position.pk for position in paid] == [priced.pk]
    assert paid[0].funding_collected == Decimal("-1")
    for position in (unpriced, other):
        assert Position.objects.get(pk=position.pk).funding_collected == 0


@pytest.mark.parametrize("amount", ["NaN", 0.5, "1E+12"])
def test_a_bad_amount_is_refused(position: Position, amount: object) -> None:
    with pytest.raises(errors.InvalidAmount):
        services.accrue_funding(position_id=position.pk, amount=amount)  # type: ignore[arg-type]


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.decimals(-1000, 1000, places=8), min_size=1, max_size=8))
def test_what_was_collected_is_the_sum_of_the_rows(
    default_account: Account, payments: list[Decimal]
) -> None:
    position = open_example()
    for index, amount in enumerate(payments):
        services.accrue_funding(
            position_id=position.pk, amount=amount, at=MONDAY + index * EIGHT_HOURS
        )
    rows = FundingPayment.objects.filter(position=position)
    stored = Position.objects.get(pk=position.pk)
    assert stored.funding_collected == sum(row.amount for row in rows) == sum(payments)
