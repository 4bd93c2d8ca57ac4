"""Rows of published models, made without the services that decide on them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from trading.models import DEFAULT_ACCOUNT, Account, Position, PositionStatus

MONDAY = datetime(2024, 1, 15, 10, 30, tzinfo=UTC)


def new_position(**changes: Any) -> Position:
    """A position of the default account that is not saved yet."""
    Account.objects.get_or_create(pk=DEFAULT_ACCOUNT)
    values: dict[str, Any] = {
        "account_id": DEFAULT_ACCOUNT,
        "symbol": "BTC/USDT",
        "spot_entry_price": Decimal("45000"),
        "perp_entry_price": Decimal("45010"),
        "spot_quantity": Decimal("0.1"),
        "perp_quantity": Decimal("0.1"),
        "opened_at": MONDAY,
        "recorded_at": MONDAY,
    }
    return Position(**values | changes)


def make_position(**changes: Any) -> Position:
    """A position of the default account, saved and so published."""
    position = new_position(**changes)
    position.save(force_insert=True)
    return position


def mark_closed(position: Position) -> None:
    """Set what makes a position a closed one; saving it is the caller's."""
    position.status = PositionStatus.CLOSED
    position.closed_at = MONDAY
    position.spot_exit_price = position.perp_exit_price = Decimal("46000")
    position.realized_pnl = Decimal(0)


def mark_open(position: Position) -> None:
    """Set what makes a position an open one again."""
    position.status = PositionStatus.OPEN
    position.closed_at = None
    position.spot_exit_price = position.perp_exit_price = position.realized_pnl = None
