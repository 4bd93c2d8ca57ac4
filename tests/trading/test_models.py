"""Tests of the models: what the database itself refuses, and history that stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import IntegrityError, models, transaction
from django.db.models import F, ProtectedError
from django.forms.models import model_to_dict

from tests.trading.conftest import MONDAY, ReadEvents
from trading import services
from trading.errors import HistoryIsFinal
from trading.models import (
    Account,
    EquitySnapshot,
    FundingPayment,
    Position,
    RiskChange,
    RiskStatus,
)

pytestmark = pytest.mark.django_db


def test_migrations_are_complete() -> None:
    call_command("makemigrations", "trading", check=True, dry_run=True, verbosity=0)


@pytest.mark.parametrize(
    "change",
    [
        {"spot_quantity": 0},
        {"perp_quantity": -1},
        {"spot_entry_price": 0},
        {"perp_current_price": 0},
        {"status": "gone"},
        {"symbol": "BTCUSDT"},
        {"leverage": 0},
        {"fees": -1},
        {"status": "closed"},
        {"spot_exit_price": 1},
        {"closed_at": MONDAY},
        {"realized_pnl": 0},
    ],
    ids=str,
)
def test_the_database_refuses_a_position_that_cannot_be(
    position: Position, change: dict[str, Any]
) -> None:
    for name, value in change.items():
        setattr(position, name, value)
    with pytest.raises(IntegrityError):
        position.save()


def test_the_database_refuses_a_position_closed_before_it_was_opened(position: Position) -> None:
    services.close_position(
        position_id=position.pk, spot_exit_price="1", perp_exit_price="1", at=MONDAY
    )
    stored = Position.objects.get(pk=position.pk)
    stored.opened_at = MONDAY.replace(year=2025)
    with pytest.raises(IntegrityError):
        stored.save()


def test_the_database_refuses_a_risk_status_that_cannot_be(default_account: Account) -> None:
    status = services.soft_pause(reason="Wait.", at=MONDAY)
    for change in ({"status": "relaxed"}, {"paused_on": None}):
        broken = RiskStatus.objects.get(pk=status.pk)
        for name, value in change.items():
            setattr(broken, name, value)
        with pytest.raises(IntegrityError), transaction.atomic():
            broken.save()


def test_an_account_has_one_risk_status(default_account: Account) -> None:
    status = services.soft_pause(reason="Wait.", at=MONDAY)
    status._state.adding = True
    with pytest.raises(IntegrityError):
        status.save(force_insert=True)


def test_a_settlement_has_one_payment_a_position(position: Position) -> None:
    FundingPayment.objects.create(position=position, amount=1, recorded_at=MONDAY)
    with pytest.raises(IntegrityError):
        FundingPayment.objects.create(position=position, amount=1, recorded_at=MONDAY)


def test_forms_refuse_the_symbols_and_digits_that_services_refuse(position: Position) -> None:
    position.symbol = "btc"
    position.spot_entry_price = "1.1234567890123456"  # type: ignore[assignment]
    with pytest.raises(ValidationError) as refusal:
        position.full_clean()
    assert {"symbol", "spot_entry_price"} <= set(refusal.value.message_dict)


@pytest.fixture
def history(default_account: Account) -> list[models.Model]:
    """A reading of equity and a change of the risk status."""
    snapshot = services.record_equity(total_equity="100", at=MONDAY)
    services.soft_pause(reason="Wait.", at=MONDAY)
    return [snapshot, RiskChange.objects.get()]


def change_history(row: Any) -> Iterator[Callable[[], object]]:
    """Every way to change or remove a row."""
    rows = type(row).objects
    yield row.save
    yield lambda: rows.update(recorded_at=MONDAY)
    yield lambda: rows.filter(pk=row.pk).update(recorded_at=F("created_at"))
    yield lambda: rows.bulk_update([row], ["recorded_at"])
    yield row.delete
    yield rows.all().delete


def test_history_cannot_be_changed_or_removed(
    history: list[models.Model], new_events: ReadEvents
) -> None:
    for row in history:
        for change in change_history(row):
            with pytest.raises(HistoryIsFinal), transaction.atomic():
                change()
        stored = type(row)._default_manager.get(pk=row.pk)
        assert model_to_dict(stored) == model_to_dict(row)
    assert new_events() == []


def test_history_goes_with_its_account(history: list[models.Model], new_events: ReadEvents) -> None:
    Account.objects.get(pk="default").delete()
    assert not EquitySnapshot.objects.exists()
    assert not RiskChange.objects.exists()
    assert {(event[0], event[1], event[2]["account"]) for event in new_events()} == {
        ("equity_update", "deleted", "default"),
        ("risk_status_update", "deleted", "default"),
    }


def test_an_account_with_positions_stays(position: Position) -> None:
    with pytest.raises(ProtectedError):
        position.account.delete()


@pytest.mark.parametrize("slug", ["Default", "a b", "", "ä", "-a", "a\n"])
def test_an_accounts_name_fits_a_path_and_a_query(slug: str) -> None:
    with pytest.raises(ValidationError):
        Account(slug=slug).full_clean()


def test_rows_say_what_they_are(position: Position, history: list[models.Model]) -> None:
    services.accrue_funding(position_id=position.pk, amount="0.45", at=MONDAY)
    assert str(position) == f"BTC/USDT open {position.pk}"
    assert str(history[0]) == "default 100 at 2024-01-15 10:30"
    assert str(history[1]) == "default normal → soft_pause by a program"
    assert str(RiskStatus.objects.get()) == "default soft_pause"
    assert str(FundingPayment.objects.get()) == "0.45000000 at 2024-01-15 10:30"
    assert str(position.account) == "default"
