"""Every read of trading: what REST, the simulator and pages ask for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from math import ceil
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from django.db.models import Count, F, Model, Q, QuerySet, Window, prefetch_related_objects
from django.db.models.expressions import OrderBy
from django.db.models.functions import Mod, RowNumber
from django.utils import timezone

from trading.amounts import ZERO
from trading.conf import risk_conf
from trading.errors import AccountNotFound, PositionNotFound
from trading.models import (
    DEFAULT_ACCOUNT,
    LIVE_STATUSES,
    VIEW_ALL_ACCOUNTS,
    Account,
    EquitySnapshot,
    Fill,
    Position,
    PositionStatus,
    RiskChange,
    RiskStatus,
)
from trading.services.locks import parse_position_id

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

Row = TypeVar("Row", bound=Model)

POSITION_FILTERS = ("account", "symbol", "status", "strategy_id")
POSITION_ORDERINGS = ("opened_at", "updated_at", "symbol", "unrealized_pnl", "realized_pnl")

# The accounts to look into; None: all of them.
Accounts = Collection[str] | None


def viewable_accounts(user: User | AnonymousUser) -> Accounts:
    """The accounts that `user` may see: those it is a member of, or None for all of them.

    Queried once for each instance of the user, as Django does with its permissions.
    """
    if user.is_anonymous:
        return frozenset()
    if user.has_perm(VIEW_ALL_ACCOUNTS):
        return None
    prefetch_related_objects([user], "trading_accounts")
    return frozenset(account.pk for account in user.trading_accounts.all())


def load_viewable_accounts(users: Sequence[User]) -> None:
    """Read the accounts of many users in one query, for `viewable_accounts`."""
    limited = [user for user in users if not user.has_perm(VIEW_ALL_ACCOUNTS)]
    prefetch_related_objects(limited, "trading_accounts")


def list_positions(
    filters: Mapping[str, Collection[str]] | None = None,
    *,
    accounts: Accounts = None,
    ordering: str | None = None,
) -> QuerySet[Position]:
    """Positions, newest first; `filters` names the values that each field may have.

    `ordering` is one of POSITION_ORDERINGS, or that with a hyphen; what is unknown comes last.
    """
    rows: QuerySet[Position] = within(Position.objects.all(), accounts)
    for field, values in (filters or {}).items():
        rows = rows.filter(**{f"{field}__in": list(values)})
    return rows if ordering is None else rows.order_by(_ordered_by(ordering), "position_id")


def get_position(position_id: UUID | str, *, accounts: Accounts = None) -> Position:
    """One position; raises PositionNotFound, also for one of another account than `accounts`."""
    rows: QuerySet[Position] = within(Position.objects.all(), accounts)
    row = rows.filter(pk=parse_position_id(position_id)).first()
    if row is None:
        raise PositionNotFound(position_id=position_id)
    return row


def get_positions(position_ids: Collection[UUID]) -> list[Position]:
    """These positions, as far as they exist, in the order of keys."""
    return list(Position.objects.filter(pk__in=position_ids).order_by("pk"))


def list_fills(position: Position) -> QuerySet[Fill]:
    """What was executed for a position, in the order in which it was recorded."""
    return Fill.objects.filter(position=position).order_by("id")


def position_exists(position_id: UUID) -> bool:
    """Whether there is such a position."""
    return Position.objects.filter(pk=position_id).exists()


def count_positions(*, account: str) -> int:
    """How many positions an account has had."""
    return Position.objects.filter(account_id=account).count()


def count_closing_positions(*, account: str) -> int:
    """How many of an account's positions wait for the executor to close them."""
    return Position.objects.filter(account_id=account, status=PositionStatus.CLOSING).count()


def list_live_positions(*, account: str, simulated: bool) -> list[Position]:
    """An account's positions that are not closed, in the order of keys."""
    rows = Position.objects.filter(account_id=account, simulated=simulated)
    return list(rows.filter(status__in=LIVE_STATUSES).order_by("pk"))


def get_account(account: str, *, accounts: Accounts = None) -> Account:
    """The account; the default one is there before its row is.

    Raises AccountNotFound, also for another account than `accounts`.
    """
    if accounts is not None and account not in accounts:
        raise AccountNotFound(field="account", account=account)
    found = Account.objects.filter(pk=account).first()
    if found is not None:
        return found
    if account == DEFAULT_ACCOUNT:
        return Account(slug=account, created_at=timezone.now())
    raise AccountNotFound(field="account", account=account)


def list_account_names() -> list[str]:
    """Every account's name, in order."""
    return list(Account.objects.order_by("pk").values_list("pk", flat=True))


def list_equity(
    *,
    account: str,
    since: datetime | None = None,
    until: datetime | None = None,
    newest_first: bool = False,
) -> QuerySet[EquitySnapshot]:
    """An account's readings of these market times, both included, oldest first if not said."""
    rows: QuerySet[EquitySnapshot] = EquitySnapshot.objects.filter(account_id=account)
    if since is not None:
        rows = rows.filter(recorded_at__gte=since)
    if until is not None:
        rows = rows.filter(recorded_at__lte=until)
    return rows.order_by(*(("-recorded_at", "-id") if newest_first else ("recorded_at", "id")))


def thin_equity(rows: QuerySet[EquitySnapshot], *, points: int) -> QuerySet[EquitySnapshot]:
    """At most `points` (two or more) of these readings, evenly spaced, the newest among them."""
    total = rows.aggregate(total=Count("pk"))["total"]
    if total <= points:
        return rows
    step = ceil((total - 1) / (points - 1))
    numbered = rows.annotate(number=Window(RowNumber(), order_by=["recorded_at", "id"]))
    # Counted from the newest, so that it stays in.
    kept = numbered.annotate(distance=Mod(total - F("number"), step))
    return kept.filter(Q(distance=0)).order_by("recorded_at", "id")


def newest_equity(*, account: str) -> EquitySnapshot | None:
    """The account's newest reading: its present state."""
    newest: EquitySnapshot | None = (
        EquitySnapshot.objects.filter(account_id=account).order_by("-id").first()
    )
    return newest


def newest_total_equity(*, account: str) -> Decimal:
    """The account's newest equity, or its starting capital before any; raises AccountNotFound."""
    newest = newest_equity(account=account)
    if newest is not None:
        return newest.total_equity
    return get_account(account).starting_capital


def risk_status(*, account: str) -> RiskStatus:
    """The account's risk status; one that was never judged is normal, and has no row yet.

    Raises AccountNotFound.
    """
    row: RiskStatus | None = RiskStatus.objects.filter(pk=account).first()
    if row is not None:
        return row
    return unjudged_status(get_account(account))


def unjudged_status(account: Account) -> RiskStatus:
    """The status of an account that was never judged: normal."""
    limits = risk_conf()
    return RiskStatus(
        account=account,
        drawdown_pct=ZERO,
        daily_loss_pct=ZERO,
        drawdown_limit=limits.drawdown_limit,
        daily_loss_limit=limits.daily_loss_limit,
        recorded_at=account.created_at,
        updated_at=account.created_at,
    )


def list_risk_changes(*, account: str) -> QuerySet[RiskChange]:
    """The changes of an account's risk status, newest first."""
    return RiskChange.objects.filter(account_id=account)


def count_rows_that_are_not_simulated() -> tuple[int, int]:
    """How many positions and equity readings are real."""
    return (
        Position.objects.filter(simulated=False).count(),
        EquitySnapshot.objects.filter(simulated=False).count(),
    )


def within(rows: QuerySet[Row], accounts: Accounts) -> QuerySet[Row]:
    """Those of `rows` that belong to these accounts."""
    return rows if accounts is None else rows.filter(account__in=accounts)


def _ordered_by(ordering: str) -> OrderBy:
    column = F(ordering.removeprefix("-"))
    # Databases differ in where they put null.
    return column.desc(nulls_last=True) if ordering[0] == "-" else column.asc(nulls_last=True)
