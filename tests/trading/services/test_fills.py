"""Tests of fills: a position is their sum, each counts once, the last close ends it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.trading.conftest import MONDAY, ReadEvents, open_example
from trading import errors, services
from trading.models import Account, Fill, Position

pytestmark = pytest.mark.django_db

prices = st.decimals("0.01", 10**5, places=2)
quantities = st.decimals("0.0001", 100, places=4)
executions = st.lists(st.tuples(prices, quantities), min_size=1, max_size=5)


def start_example(**changes: Any) -> Position:
    """Open a position that holds nothing yet."""
    values: dict[str, Any] = {
        "symbol": "BTC/USDT",
        "spot_price": "45000",
        "perp_price": "45010",
        "at": MONDAY,
    }
    return services.start_position(**{**values, **changes})


def fill(position: Position, leg: str, **changes: Any) -> Fill:
    """Record a fill: an opening one of 0.1 at 45000, with these changes."""
    values: dict[str, Any] = {
        "effect": "opening",
        "price": "45000",
        "quantity": "0.1",
        "fill_id": "1",
        "at": MONDAY,
    }
    return services.record_fill(position_id=position.pk, leg=leg, **{**values, **changes})


def stored(position: Position) -> Position:
    """The row as it is now."""
    return Position.objects.get(pk=position.pk)


def sum_of_fills(position: Position, leg: str, effect: str) -> Decimal:
    """What the rows add up to."""
    rows = Fill.objects.filter(position=position, leg=leg, effect=effect)
    return sum((row.quantity for row in rows), Decimal(0))


def test_a_position_opened_and_closed_whole_has_a_fill_for_each_leg(position: Position) -> None:
    services.close_position(
        position_id=position.pk, spot_exit_price="45500", perp_exit_price="45400", fees="0.25"
    )
    rows = Fill.objects.filter(position=position)
    assert [(row.effect, row.leg, row.price, row.quantity, row.fee) for row in rows] == [
        ("opening", "spot", 45000, Decimal("0.1"), 0),
        ("opening", "perp", 45010, Decimal("0.1"), 0),
        ("closing", "spot", 45500, Decimal("0.1"), Decimal("0.25")),
        ("closing", "perp", 45400, Decimal("0.1"), 0),
    ]


def test_a_started_position_is_filled_leg_by_leg(
    default_account: Account, new_events: ReadEvents
) -> None:
    position = start_example()
    fill(position, "spot", price="45000", quantity="0.04", fill_id="a", fee="0.5")
    half = stored(position)
    assert (half.spot_quantity, half.perp_quantity, half.imbalance) == (
        Decimal("0.04"),
        0,
        Decimal("0.04"),
    )
    assert half.is_imbalanced
    fill(position, "spot", price="45010", quantity="0.06", fill_id="b")
    fill(position, "perp", price="45020", quantity="0.1", fill_id="a", fee="0.25")
    whole = stored(position)
    assert (whole.spot_entry_price, whole.perp_entry_price) == (45006, 45020)
    assert (whole.imbalance, whole.is_imbalanced, whole.fees) == (0, False, Decimal("0.75"))
    published = [data for name, _, data in new_events() if name == "position_update"]
    assert [(data["spot_quantity"], data["perp_quantity"]) for data in published] == [
        ("0", "0"),
        ("0.04", "0"),
        ("0.1", "0"),
        ("0.1", "0.1"),
    ]
    assert [data["imbalance"] for data in published] == ["0", "0.04", "0.1", "0"]
    assert [data["is_imbalanced"] for data in published] == [False, True, True, False]


def test_a_paused_account_starts_nothing_but_records_what_has_happened(
    default_account: Account,
) -> None:
    position = start_example()
    services.hard_stop(reason="Fire.", at=MONDAY)
    with pytest.raises(errors.TradingPaused):
        start_example()
    fill(position, "spot")
    assert (stored(position).spot_quantity, stored(position).status) == (Decimal("0.1"), "closing")


def test_the_same_fill_again_changes_nothing(position: Position, new_events: ReadEvents) -> None:
    first = fill(position, "spot")
    new_events()
    again = fill(position, "spot", at=MONDAY + timedelta(hours=1))
    assert again.pk == first.pk
    assert new_events() == []
    assert stored(position).spot_quantity == Decimal("0.2")


def test_another_fill_of_the_same_number_is_refused(position: Position) -> None:
    fill(position, "spot")
    for change in ({"price": "45001"}, {"quantity": "0.2"}, {"fee": "1"}, {"effect": "closing"}):
        with pytest.raises(errors.FillExists) as refusal:
            fill(position, "spot", **change)
        assert refusal.value.code == "fill_exists"
    # Another market of the exchange, and another position, number their fills themselves.
    fill(position, "perp")
    fill(open_example(), "spot")
    assert stored(position).imbalance == 0


def test_the_database_counts_a_fill_once(position: Position) -> None:
    row = fill(position, "spot")
    row.pk, row._state.adding = None, True
    with pytest.raises(IntegrityError), transaction.atomic():
        row.save()


def test_a_fill_that_is_known_is_known_after_the_close_and_a_new_one_comes_too_late(
    position: Position,
) -> None:
    for leg in ("spot", "perp"):
        fill(position, leg, effect="closing", fill_id="end")
    assert stored(position).status == "closed"
    assert fill(position, "perp", effect="closing", fill_id="end").position.status == "closed"
    with pytest.raises(errors.PositionAlreadyClosed):
        fill(position, "spot", fill_id="late")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"leg": "future"}, errors.InvalidText),
        ({"effect": "both"}, errors.InvalidText),
        ({"fill_id": " "}, errors.InvalidText),
        ({"fill_id": "x" * 65}, errors.InvalidText),
        ({"price": 45000.5}, errors.InvalidPrice),
        ({"quantity": "0"}, errors.InvalidQuantity),
        ({"fee": "-1"}, errors.InvalidAmount),
        ({"at": MONDAY.replace(tzinfo=None)}, errors.InvalidTime),
        ({"effect": "closing", "quantity": "0.10000001"}, errors.QuantityNotHeld),
    ],
    ids=str,
)
def test_a_fill_that_makes_no_sense_changes_nothing(
    position: Position, changes: dict[str, Any], error: type[errors.TradingError]
) -> None:
    leg = changes.pop("leg", "spot")
    with pytest.raises(error):
        fill(position, leg, **changes)
    assert Fill.objects.count() == 2
    assert stored(position).spot_quantity == Decimal("0.1")


def test_a_quantity_that_could_not_be_kept_exactly_is_refused(position: Position) -> None:
    fill(position, "perp", quantity="1234567890.1", price="0.01", fill_id="a")
    with pytest.raises(errors.InvalidQuantity, match="significant"):
        fill(position, "perp", quantity="0.00000001", price="0.01", fill_id="b")


def test_parts_are_closed_one_after_the_other(position: Position, new_events: ReadEvents) -> None:
    services.accrue_funding(position_id=position.pk, amount="2", at=MONDAY)
    new_events()
    services.reduce_position(
        position_id=position.pk,
        spot_quantity="0.04",
        perp_quantity="0.04",
        spot_exit_price="45500",
        perp_exit_price="45400",
        fees="0.25",
        reason="half way",
        at=MONDAY + timedelta(hours=1),
    )
    part = stored(position)
    assert (part.status, part.closed_at, part.close_reason) == ("open", None, "")
    assert (part.spot_quantity, part.spot_closed_quantity) == (Decimal("0.06"), Decimal("0.04"))
    assert (part.spot_exit_price, part.perp_exit_price) == (45500, 45400)
    # 0.04 × 500 − 0.04 × 390, before funding and fees.
    assert (part.realized_pnl, part.unrealized_pnl) == (Decimal("4.4"), None)
    repriced = services.update_position(
        position_id=position.pk, spot_current_price="45000", perp_current_price="45010"
    )
    assert repriced.unrealized_pnl == Decimal("1.75")
    services.close_position(
        position_id=position.pk,
        spot_exit_price="46000",
        perp_exit_price="46010",
        reason="done",
        at=MONDAY + timedelta(hours=2),
    )
    whole = stored(position)
    assert (whole.status, whole.close_reason, whole.unrealized_pnl) == ("closed", "done", 0)
    assert (whole.spot_quantity, whole.perp_quantity) == (Decimal("0.1"), Decimal("0.1"))
    assert (whole.spot_exit_price, whole.perp_exit_price) == (45800, 45766)
    assert whole.realized_pnl == Decimal("6.15")
    assert [event[1] for event in new_events()] == ["updated", "updated", "closed"]


def test_a_leg_alone_can_be_closed_and_the_position_stays(position: Position) -> None:
    services.reduce_position(
        position_id=position.pk, spot_quantity="0.1", spot_exit_price="45500", at=MONDAY
    )
    rest = stored(position)
    assert (rest.status, rest.imbalance, rest.is_imbalanced) == ("open", Decimal("-0.1"), True)
    # The leg that is gone needs no price any more.
    repriced = services.update_position(position_id=position.pk, perp_current_price="45000")
    assert (repriced.realized_pnl, repriced.unrealized_pnl) == (50, 1)
    services.reduce_position(
        position_id=position.pk, perp_quantity="0.1", perp_exit_price="45000", at=MONDAY
    )
    assert (stored(position).status, stored(position).realized_pnl) == ("closed", 51)
    assert stored(position).imbalance == 0


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({}, errors.InvalidQuantity),
        ({"spot_quantity": "0.1"}, errors.InvalidPrice),
        ({"spot_quantity": "-0.1", "spot_exit_price": "1"}, errors.InvalidAmount),
        ({"spot_quantity": "0.2", "spot_exit_price": "1"}, errors.QuantityNotHeld),
        ({"perp_quantity": 0.1, "perp_exit_price": "1"}, errors.InvalidAmount),
    ],
    ids=str,
)
def test_a_part_that_cannot_be_closed_changes_nothing(
    position: Position,
    new_events: ReadEvents,
    changes: dict[str, Any],
    error: type[errors.TradingError],
) -> None:
    with pytest.raises(error):
        services.reduce_position(position_id=position.pk, **changes)
    assert new_events() == []
    assert Fill.objects.count() == 2


def test_a_started_position_that_was_never_filled_can_be_closed(default_account: Account) -> None:
    position = start_example()
    services.close_position(position_id=position.pk, spot_exit_price="1", perp_exit_price="1")
    assert (stored(position).status, stored(position).realized_pnl) == ("closed", 0)
    assert not Fill.objects.exists()


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(executions, executions)
def test_a_position_is_the_sum_of_its_fills(
    default_account: Account,
    spot: list[tuple[Decimal, Decimal]],
    perp: list[tuple[Decimal, Decimal]],
) -> None:
    position = start_example()
    for leg, wanted in (("spot", spot), ("perp", perp)):
        for number, (price, quantity) in enumerate(wanted):
            fill(position, leg, price=price, quantity=quantity, fill_id=str(number))
    row = stored(position)
    for leg, wanted in (("spot", spot), ("perp", perp)):
        total = sum(quantity for _, quantity in wanted)
        value = sum(price * quantity for price, quantity in wanted)
        assert getattr(row, f"{leg}_quantity") == total == sum_of_fills(row, leg, "opening")
        # Each average is rounded to 8 decimals, and weighs less with each fill that follows.
        entry = getattr(row, f"{leg}_entry_price")
        assert abs(entry - value / total) <= len(wanted) * Decimal("1E-8")
    assert row.imbalance == row.spot_quantity - row.perp_quantity


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(quantities, min_size=2, max_size=5), prices, prices, prices, prices)
def test_parts_and_the_rest_realise_what_the_whole_would(
    default_account: Account,
    parts: list[Decimal],
    spot_entry: Decimal,
    perp_entry: Decimal,
    spot_exit: Decimal,
    perp_exit: Decimal,
) -> None:
    exits = {"spot_exit_price": spot_exit, "perp_exit_price": perp_exit, "at": MONDAY}
    in_parts, whole = (
        open_example(
            spot_entry_price=spot_entry,
            perp_entry_price=perp_entry,
            spot_quantity=sum(parts),
            perp_quantity=sum(parts),
        )
        for _ in range(2)
    )
    for part in parts[:-1]:
        services.reduce_position(
            position_id=in_parts.pk, spot_quantity=part, perp_quantity=part, **exits
        )
    for position in (in_parts, whole):
        services.close_position(position_id=position.pk, **exits)
    one, other = stored(in_parts), stored(whole)
    assert one.status == other.status == "closed"
    assert one.realized_pnl == other.realized_pnl
    assert (one.spot_exit_price, one.perp_exit_price) == (spot_exit, perp_exit)
    for leg in ("spot", "perp"):
        assert sum_of_fills(one, leg, "closing") == getattr(one, f"{leg}_quantity") == sum(parts)


def test_positions_from_before_fills_get_theirs(default_account: Account) -> None:
    live = open_example(fees="1")
    closed = open_example()
    services.close_position(position_id=closed.pk, spot_exit_price="45500", perp_exit_price="45400")
    wanted = {(row.position_id, str(row), row.fee) for row in Fill.objects.all()}
    before = stored(closed)
    Fill.objects.all()._raw_delete(using="default")
    Position.objects.update(closed_pnl=0, spot_closed_quantity=0, perp_closed_quantity=0)
    migration = import_module("trading.migrations.0005_fills_of_earlier_positions")
    for _ in range(2):
        migration.add_fills(apps, SimpleNamespace(connection=connection))
        assert {(row.position_id, str(row), row.fee) for row in Fill.objects.all()} == wanted
    after = stored(closed)
    assert (after.closed_pnl, after.spot_closed_quantity) == (
        before.closed_pnl,
        before.spot_closed_quantity,
    )
    assert stored(live).closed_pnl == 0
