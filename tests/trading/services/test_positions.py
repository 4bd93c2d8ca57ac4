"""Tests of opening, updating, repricing and closing."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import override_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.trading.conftest import MONDAY, ReadEvents, open_example
from trading import errors, pnl, services
from trading.models import Account, Position, RiskState, RiskStatus

pytestmark = pytest.mark.django_db


def test_an_open_position_is_stored_as_given_and_published(new_events: ReadEvents) -> None:
    position = open_example(strategy_id="carry", leverage="3", fees="1.25", simulated=True)
    stored = Position.objects.get(pk=position.pk)
    assert (stored.symbol, stored.status, stored.strategy_id) == ("BTC/USDT", "open", "carry")
    assert (stored.spot_entry_price, stored.perp_entry_price) == (45000, 45010)
    assert (stored.opened_at, stored.recorded_at, stored.closed_at) == (MONDAY, MONDAY, None)
    assert stored.simulated
    published = [event for event in new_events() if event[0] == "position_update"]
    assert [(action, data["position_id"]) for _, action, data in published] == [
        ("created", str(position.pk))
    ]


def test_pnl_is_unknown_until_both_prices_are_known(position: Position) -> None:
    assert position.unrealized_pnl is None
    half = services.update_position(position_id=position.pk, spot_current_price="45500")
    assert half.unrealized_pnl is None
    assert half.liquidation_distance is None
    whole = services.update_position(position_id=position.pk, perp_current_price="45132.5")
    assert whole.unrealized_pnl == Decimal("37.75")
    assert whole.liquidation_distance is not None


def test_liquidation_follows_leverage_and_the_maintenance_margin(default_account: Account) -> None:
    assert open_example(leverage=1).liquidation_price == Decimal("89572.13930348")
    with override_settings(RISK_MAINTENANCE_MARGIN="0"):
        assert open_example(leverage=2).liquidation_price == 67515


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"symbol": "BTCUSDT"}, errors.InvalidSymbol),
        ({"spot_quantity": "0"}, errors.InvalidQuantity),
        ({"perp_quantity": "-1"}, errors.InvalidQuantity),
        ({"spot_entry_price": "NaN"}, errors.InvalidPrice),
        ({"perp_entry_price": 45010.5}, errors.InvalidPrice),
        ({"spot_current_price": "0"}, errors.InvalidPrice),
        ({"leverage": "0.9"}, errors.InvalidAmount),
        ({"fees": "-1"}, errors.InvalidAmount),
        ({"strategy_id": "x" * 65}, errors.InvalidText),
        ({"at": MONDAY.replace(tzinfo=None)}, errors.InvalidTime),
        ({"account": "nobody"}, errors.AccountNotFound),
    ],
)
def test_what_makes_no_sense_opens_nothing(
    default_account: Account,
    new_events: ReadEvents,
    changes: dict[str, Any],
    error: type[errors.TradingError],
) -> None:
    with pytest.raises(error):
        open_example(**changes)
    assert not Position.objects.exists()
    assert not [event for event in new_events() if event[0] == "position_update"]


def test_a_value_that_makes_a_figure_too_large_is_refused(default_account: Account) -> None:
    with pytest.raises(errors.InvalidAmount, match="pnl"):
        open_example(
            spot_quantity="99999999999",
            spot_current_price="99999999999",
            perp_current_price="45010",
        )


def test_a_position_id_is_taken_once(position: Position) -> None:
    with pytest.raises(errors.PositionExists):
        open_example(position_id=position.pk)
    other = uuid4()
    assert open_example(position_id=other).pk == other


@pytest.mark.parametrize("stop", [services.soft_pause, services.hard_stop])
def test_nothing_is_opened_while_trading_is_paused(default_account: Account, stop: Any) -> None:
    stop(reason="Maintenance at the exchange.", at=MONDAY)
    with pytest.raises(errors.TradingPaused, match="Maintenance at the exchange") as refusal:
        open_example()
    assert refusal.value.code == "trading_paused"
    assert not Position.objects.exists()


def test_a_pause_of_one_account_leaves_the_others_alone(default_account: Account) -> None:
    Account.objects.create(slug="second")
    services.hard_stop(reason="Only this one.", at=MONDAY)
    assert open_example(account="second").account_id == "second"


def test_a_soft_pause_lets_open_positions_be_closed_and_repriced(position: Position) -> None:
    services.soft_pause(reason="Wait.", at=MONDAY)
    services.update_position(position_id=position.pk, spot_current_price="45500")
    closed = services.close_position(
        position_id=position.pk, spot_exit_price="45500", perp_exit_price="45500"
    )
    assert closed.status == "closed"


def test_opening_on_the_day_after_a_soft_pause_ends_the_pause(
    default_account: Account, new_events: ReadEvents
) -> None:
    services.soft_pause(reason="Wait.", at=MONDAY)
    new_events()
    open_example(at=MONDAY + timedelta(days=1))
    assert RiskStatus.objects.get().status == RiskState.NORMAL
    assert [event[0] for event in new_events()] == ["risk_status_update", "position_update"]


def test_an_update_changes_what_is_given_and_nothing_else(position: Position) -> None:
    # Another writer's figure, which the caller's instance has not seen.
    Position.objects.filter(pk=position.pk).update(funding_collected=7)
    services.update_position(position_id=str(position.pk), fees="2", strategy_id="swing")
    stored = Position.objects.get(pk=position.pk)
    assert (stored.fees, stored.strategy_id, stored.funding_collected) == (2, "swing", 7)
    assert stored.spot_current_price is None


def test_repricing_reaches_every_live_position_of_the_symbols(
    default_account: Account, new_events: ReadEvents
) -> None:
    bitcoin = [open_example(), open_example()]
    ether = open_example(symbol="ETH/USDT")
    closed = open_example()
    services.close_position(
        position_id=closed.pk, spot_exit_price="45000", perp_exit_price="45000", at=MONDAY
    )
    new_events()
    changed = services.reprice_positions(
        prices={"BTC/USDT": services.Prices(spot="45500", perp="45132.5")}, at=MONDAY
    )
    assert [row.pk for row in changed] == sorted(row.pk for row in bitcoin)
    assert {row.unrealized_pnl for row in changed} == {Decimal("37.75")}
    assert [event[1] for event in new_events()] == ["updated", "updated"]
    assert Position.objects.get(pk=ether.pk).spot_current_price is None


def test_an_unknown_price_makes_pnl_unknown_again(position: Position) -> None:
    both = services.Prices(spot="45500", perp="45500")
    services.reprice_positions(prices={"BTC/USDT": both})
    services.reprice_positions(prices={"BTC/USDT": services.Prices(spot=None, perp="45500")})
    stored = Position.objects.get(pk=position.pk)
    assert (stored.spot_current_price, stored.unrealized_pnl) == (None, None)


def test_repricing_can_be_kept_to_simulated_positions(position: Position) -> None:
    both = services.Prices(spot="45500", perp="45500")
    assert services.reprice_positions(prices={"BTC/USDT": both}, simulated=True) == []


def test_a_bad_price_reprices_nothing(position: Position) -> None:
    with pytest.raises(errors.InvalidPrice):
        services.reprice_positions(
            prices={
                "BTC/USDT": services.Prices(spot="45500", perp="45500"),
                "ETH/USDT": services.Prices(spot="-1", perp="1"),
            }
        )
    assert Position.objects.get(pk=position.pk).spot_current_price is None


def test_closing_realises_the_pnl(position: Position, new_events: ReadEvents) -> None:
    services.accrue_funding(position_id=position.pk, amount="12.50", at=MONDAY)
    new_events()
    closed = services.close_position(
        position_id=position.pk,
        spot_exit_price="45500",
        perp_exit_price="45132.5",
        fees="0.25",
        reason="target reached",
        at=MONDAY + timedelta(hours=1),
    )
    stored = Position.objects.get(pk=closed.pk)
    assert stored.realized_pnl == Decimal("50.00")
    assert stored.unrealized_pnl == 0
    assert stored.liquidation_distance is None
    assert (stored.spot_exit_price, stored.perp_exit_price) == (45500, Decimal("45132.5"))
    assert (stored.close_reason, stored.closed_at) == (
        "target reached",
        MONDAY + timedelta(hours=1),
    )
    assert [(event[1], event[2]["status"]) for event in new_events()] == [("closed", "closed")]


def test_a_position_is_closed_once(position: Position) -> None:
    prices = {"spot_exit_price": "45500", "perp_exit_price": "45500"}
    services.close_position(position_id=position.pk, **prices)
    for again in (
        lambda: services.close_position(position_id=position.pk, **prices),
        lambda: services.update_position(position_id=position.pk, fees="1"),
    ):
        with pytest.raises(errors.PositionAlreadyClosed) as refusal:
            again()
        assert refusal.value.code == "position_already_closed"


def test_a_clock_that_is_behind_does_not_close_a_position_before_it_was_opened(
    position: Position,
) -> None:
    closed = services.close_position(
        position_id=position.pk,
        spot_exit_price="45500",
        perp_exit_price="45500",
        at=MONDAY - timedelta(seconds=2),
    )
    assert closed.closed_at == MONDAY


@pytest.mark.parametrize("position_id", [UUID(int=1), "no id at all", ""])
def test_an_unknown_position_is_not_found(default_account: Account, position_id: Any) -> None:
    with pytest.raises(errors.PositionNotFound):
        services.update_position(position_id=position_id, fees="1")


prices = st.decimals("0.01", 10**5, places=4)
quantities = st.decimals("0.0001", 1000, places=4)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(prices, prices, prices, prices, quantities, quantities)
def test_what_is_realised_is_the_arithmetic_of_what_was_given(
    default_account: Account,
    spot_entry: Decimal,
    perp_entry: Decimal,
    spot_exit: Decimal,
    perp_exit: Decimal,
    spot_quantity: Decimal,
    perp_quantity: Decimal,
) -> None:
    position = services.open_position(
        symbol="BTC/USDT",
        spot_entry_price=spot_entry,
        perp_entry_price=perp_entry,
        spot_quantity=spot_quantity,
        perp_quantity=perp_quantity,
    )
    services.close_position(
        position_id=position.pk, spot_exit_price=spot_exit, perp_exit_price=perp_exit
    )
    exact = pnl.net_pnl(
        spot=pnl.Leg(spot_entry, spot_quantity),
        perp=pnl.Leg(perp_entry, perp_quantity),
        spot_price=spot_exit,
        perp_price=perp_exit,
        funding=Decimal(0),
        fees=Decimal(0),
    )
    stored = Position.objects.get(pk=position.pk).realized_pnl
    assert exact is not None
    assert stored is not None
    assert abs(stored - exact) <= max(Decimal("5E-9"), abs(exact) * Decimal("5E-15"))
