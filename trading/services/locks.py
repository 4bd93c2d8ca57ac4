"""The order in which every service locks: Account, RiskStatus, Position by key. No deadlocks so.

The locks are `FOR NO KEY UPDATE`: inserting a row that points to a locked one may go on.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from trading.conf import risk_conf
from trading.errors import AccountNotFound, PositionAlreadyClosed, PositionNotFound
from trading.models import (
    DEFAULT_ACCOUNT,
    LIVE_STATUSES,
    Account,
    Position,
    PositionStatus,
    RiskStatus,
)


def lock_account(account: str) -> Account:
    """Lock the account's row; raises AccountNotFound. The default account exists when asked for."""
    rows = Account.objects.select_for_update(no_key=True).filter(pk=account)
    locked = rows.first()
    if locked is None and account == DEFAULT_ACCOUNT:
        # Two may find it missing: one makes it, both lock it.
        Account.objects.get_or_create(pk=account)
        locked = rows.first()
    if locked is None:
        raise AccountNotFound(field="account", account=account)
    return locked


def lock_accounts(accounts: QuerySet[Any, Any], *, using: str) -> list[str]:
    """Lock the accounts whose keys `accounts` selects, in the order of keys; return these."""
    rows = Account.objects.using(using).select_for_update(no_key=True).filter(pk__in=accounts)
    return list(rows.order_by("pk").values_list("pk", flat=True))


def lock_risk_status(account: Account, *, at: datetime) -> RiskStatus:
    """Lock the risk status of an account that is locked already; the first time it is made.

    Its limits are those in force now: what is decided next is decided by them.
    """
    limits = risk_conf()
    rows = RiskStatus.objects.select_for_update(no_key=True)
    status: RiskStatus | None = rows.filter(pk=account.pk).first()
    if status is None:
        status = RiskStatus(
            account=account,
            drawdown_limit=limits.drawdown_limit,
            daily_loss_limit=limits.daily_loss_limit,
            recorded_at=at,
        )
        status.save(force_insert=True)
    status.drawdown_limit = limits.drawdown_limit
    status.daily_loss_limit = limits.daily_loss_limit
    return status


def lock_position(position_id: UUID | str) -> Position:
    """Lock one position; raises PositionNotFound."""
    key = parse_position_id(position_id)
    try:
        position: Position = Position.objects.select_for_update(no_key=True).get(pk=key)
    except Position.DoesNotExist:
        raise PositionNotFound(position_id=position_id) from None
    return position


def lock_live_position(position_id: UUID | str) -> Position:
    """Lock a position that is not closed; raises PositionNotFound and PositionAlreadyClosed."""
    position = lock_position(position_id)
    if position.status == PositionStatus.CLOSED:
        raise PositionAlreadyClosed(position_id=position_id)
    return position


def lock_live_positions(
    *, account: str, symbols: Iterable[str], simulated: bool | None = None
) -> list[Position]:
    """Lock an account's positions in these symbols that are not closed, in the order of keys."""
    rows = Position.objects.select_for_update(no_key=True).filter(
        account_id=account, status__in=LIVE_STATUSES, symbol__in=list(symbols)
    )
    if simulated is not None:
        rows = rows.filter(simulated=simulated)
    return list(rows.order_by("pk"))


def lock_open_positions(*, account: str) -> list[Position]:
    """Lock every open position of an account, in the order of keys."""
    rows = Position.objects.select_for_update(no_key=True)
    return list(rows.filter(account_id=account, status=PositionStatus.OPEN).order_by("pk"))


def parse_position_id(value: UUID | str) -> UUID:
    """`value` as a key; raises PositionNotFound, since nothing has a key that is none."""
    if isinstance(value, UUID):
        return value
    try:
        return UUID(value)
    except (ValueError, AttributeError, TypeError):
        raise PositionNotFound(position_id=value) from None
