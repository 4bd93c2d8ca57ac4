"""Tests of equity readings and of what the risk engine makes of them."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import override_settings

from tests.trading.conftest import MONDAY, ReadEvents, open_example
from trading import errors, services
from trading.feeds import PositionFeed
from trading.models import Account, EquitySnapshot, Position, RiskChange, RiskStatus

pytestmark = pytest.mark.django_db

TUESDAY = MONDAY + timedelta(days=1)


def read(equity: object, *, at: Any = MONDAY) -> EquitySnapshot:
    """Record a simulated reading."""
    return services.record_equity(total_equity=str(equity), simulated=True, at=at)


def test_a_reading_holds_its_peak_and_its_days_start(default_account: Account) -> None:
    read(100_000)
    read(110_000)
    snapshot = EquitySnapshot.objects.get(pk=read("107800.50").pk)
    assert snapshot.total_equity == Decimal("107800.50")
    assert (snapshot.peak_equity, snapshot.day_start_equity) == (110_000, 100_000)
    assert snapshot.drawdown_pct == Decimal("0.01999546")
    assert snapshot.daily_loss_pct == 0
    assert snapshot.simulated
    assert snapshot.recorded_at == MONDAY


def test_a_reading_is_published_with_the_risk_status_after_it(
    default_account: Account, new_events: ReadEvents
) -> None:
    read(100_000)
    new_events()
    read(98_000)
    events = new_events()
    assert [event[0] for event in events] == ["equity_update", "risk_status_update"]
    assert events[0][2]["total_equity"] == events[0][2]["current_equity"] == "98000.00"
    assert events[1][2]["daily_loss_pct"] == "0.02"
    assert events[1][2]["daily_loss_limit"] == "0.03"


def test_a_daily_loss_pauses_and_keeps_positions(
    position: Position, new_events: ReadEvents
) -> None:
    read(100_000)
    new_events()
    read("96999.99")
    status = RiskStatus.objects.get()
    assert (status.status, status.paused_on) == ("soft_pause", date(2024, 1, 15))
    assert Position.objects.get(pk=position.pk).status == "open"
    change = RiskChange.objects.get()
    assert (change.old_status, change.new_status, change.made_by, change.actor) == (
        "normal",
        "soft_pause",
        "risk engine",
        None,
    )
    assert (change.total_equity, change.day_start_equity) == (Decimal("96999.99"), 100_000)
    assert change.daily_loss_pct == Decimal("0.03000010")
    assert change.reason == status.message
    assert [event[0] for event in new_events()] == ["equity_update", "risk_status_update"]


def test_a_drawdown_stops_and_marks_positions_in_the_same_transaction(
    position: Position, new_events: ReadEvents
) -> None:
    closed = open_example()
    services.close_position(
        position_id=closed.pk, spot_exit_price="45000", perp_exit_price="45000", at=MONDAY
    )
    read(100_000)
    new_events()
    read(93_999)
    stored = Position.objects.get(pk=position.pk)
    assert (stored.status, stored.close_reason) == ("closing", "hard_stop")
    assert Position.objects.get(pk=closed.pk).status == "closed"
    assert [(event[0], event[2].get("status")) for event in new_events()] == [
        ("equity_update", None),
        ("risk_status_update", "hard_stop"),
        ("position_update", "closing"),
    ]


def test_when_a_positions_event_cannot_be_made_nothing_of_the_reading_remains(
    position: Position, new_events: ReadEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(100_000)
    new_events()

    def fail(self: PositionFeed, instance: Position) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(PositionFeed, "data", fail)
    with pytest.raises(RuntimeError, match="disk is full"):
        read(90_000)
    assert EquitySnapshot.objects.count() == 1
    assert RiskStatus.objects.get().status == "normal"
    assert not RiskChange.objects.exists()
    assert new_events() == []


def test_a_pause_ends_with_the_first_reading_of_the_next_day(default_account: Account) -> None:
    read(100_000)
    read(96_000)
    read(99_000)
    assert RiskStatus.objects.get().status == "soft_pause"
    read(97_000, at=TUESDAY)
    status = RiskStatus.objects.get()
    assert (status.status, status.day_start_equity) == ("normal", 99_000)
    changes = RiskChange.objects.order_by("id")
    assert [change.new_status for change in changes] == ["soft_pause", "normal"]
    assert changes[1].reason == "The day of the pause is over."


@override_settings(RISK_DRAWDOWN_LIMIT="0.5")
def test_a_loss_of_the_next_day_is_a_pause_of_its_own(default_account: Account) -> None:
    read(100_000)
    read(96_000)
    read(92_000, at=TUESDAY)
    assert RiskStatus.objects.get().paused_on == TUESDAY.date()
    changes = [(change.old_status, change.new_status) for change in RiskChange.objects.all()]
    assert changes == [("soft_pause", "soft_pause"), ("normal", "soft_pause")]


def test_a_stop_outlasts_the_day_and_the_recovery(default_account: Account) -> None:
    read(100_000)
    read(90_000)
    read(150_000, at=TUESDAY)
    assert RiskStatus.objects.get().status == "hard_stop"
    assert RiskChange.objects.count() == 1


@override_settings(RISK_DAY_START="12:00")
def test_the_day_starts_when_the_settings_say(default_account: Account) -> None:
    read(100_000, at=MONDAY.replace(hour=11))
    read(99_000, at=MONDAY.replace(hour=11, minute=59))
    snapshot = read(98_000, at=MONDAY.replace(hour=12))
    assert snapshot.day_start_equity == 99_000


@override_settings(RISK_DAILY_LOSS_LIMIT="0.01", RISK_DRAWDOWN_LIMIT="0.5")
def test_limits_come_from_the_settings_and_stand_in_the_row(default_account: Account) -> None:
    read(100_000)
    read(98_000)
    status = RiskStatus.objects.get()
    assert status.status == "soft_pause"
    assert (status.daily_loss_limit, status.drawdown_limit) == (Decimal("0.01"), Decimal("0.5"))


def test_a_reading_of_a_day_that_is_over_is_refused(default_account: Account) -> None:
    read(100_000, at=TUESDAY)
    with pytest.raises(errors.ReadingOutOfOrder, match="2024-01-15") as refusal:
        read(90_000, at=MONDAY)
    assert refusal.value.code == "reading_out_of_order"
    assert EquitySnapshot.objects.count() == 1


def test_a_late_reading_of_the_same_day_counts(default_account: Account) -> None:
    read(100_000)
    late = read(101_000, at=MONDAY - timedelta(seconds=5))
    assert late.peak_equity == 101_000


@pytest.mark.parametrize("equity", ["NaN", "Infinity", "1E+12", 100_000.5, None])
def test_a_reading_that_is_no_amount_is_refused(default_account: Account, equity: Any) -> None:
    with pytest.raises(errors.InvalidAmount):
        services.record_equity(total_equity=equity)
    assert not EquitySnapshot.objects.exists()


@pytest.mark.parametrize("first", ["0", "-5"])
def test_an_account_without_money_can_be_read(default_account: Account, first: str) -> None:
    assert read(first).drawdown_pct == 0
    assert read("-10").drawdown_pct == 1


def test_accounts_are_measured_apart(default_account: Account) -> None:
    Account.objects.create(slug="second")
    read(100_000)
    services.record_equity(account="second", total_equity="10", at=MONDAY)
    assert RiskStatus.objects.get(pk="second").peak_equity == 10
    assert RiskStatus.objects.get(pk="default").peak_equity == 100_000


def test_the_default_account_exists_when_it_is_asked_for(db: None) -> None:
    Account.objects.all().delete()
    assert read(100_000).account_id == "default"
