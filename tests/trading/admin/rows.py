"""Many rows at once, past the services: what pages show of one they show of a hundred."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from tests.realtime.rows import new_position
from tests.trading.conftest import MONDAY
from trading.models import (
    DEFAULT_ACCOUNT,
    Account,
    Alert,
    EquitySnapshot,
    Position,
    RiskChange,
    RiskStatus,
)

ZERO = Decimal(0)


def make_positions(count: int, **changes: object) -> list[Position]:
    """Open positions of the default account, unless `changes` say otherwise."""
    rows = [new_position(strategy_id=f"s{index}", **changes) for index in range(count)]
    return list(Position.objects.bulk_create(rows))


def make_accounts(count: int) -> list[Account]:
    """Accounts with a hard stop each."""
    accounts = [Account(pk=f"a{index}") for index in range(count)]
    Account.objects.bulk_create(accounts)
    RiskStatus.objects.bulk_create(
        RiskStatus(
            account=account,
            status="hard_stop",
            drawdown_limit=1,
            daily_loss_limit=1,
            recorded_at=MONDAY,
        )
        for account in accounts
    )
    return accounts


def make_readings(count: int, account: str = DEFAULT_ACCOUNT) -> None:
    """Readings of equity, one an hour."""
    EquitySnapshot.objects.bulk_create(
        EquitySnapshot(
            account_id=account,
            total_equity=100,
            peak_equity=100,
            day_start_equity=100,
            drawdown_pct=ZERO,
            daily_loss_pct=ZERO,
            recorded_at=MONDAY + timedelta(hours=index),
        )
        for index in range(count)
    )


def make_changes(count: int, account: str = DEFAULT_ACCOUNT) -> None:
    """Decisions about risk, one an hour."""
    RiskChange.objects.bulk_create(
        RiskChange(
            account_id=account,
            old_status="normal",
            new_status="soft_pause",
            made_by="operator",
            reason="Wait.",
            drawdown_pct=ZERO,
            daily_loss_pct=ZERO,
            drawdown_limit=1,
            daily_loss_limit=1,
            recorded_at=MONDAY + timedelta(hours=index),
        )
        for index in range(count)
    )


def make_alerts(count: int, account: str = DEFAULT_ACCOUNT) -> None:
    """Alerts that went out."""
    Alert.objects.bulk_create(
        Alert(
            account_id=account,
            kind="hard_stop",
            channel="webhook",
            payload={"text": f"Stop {index}."},
            state="sent",
            next_try_at=MONDAY,
            sent_at=MONDAY,
        )
        for index in range(count)
    )
