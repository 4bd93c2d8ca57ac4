"""What trading publishes; `realtime` finds this file as the admin finds `admin.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from django.db.models import Max, QuerySet

from realtime.feeds import ModelFeed, Scope, register
from trading import selectors
from trading.models import EquitySnapshot, Position, PositionStatus, RiskStatus
from trading.serializers import EquitySerializer, PositionSerializer, RiskStatusSerializer
from trading.services import locks

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User


class AccountsFeed(ModelFeed):
    """A feed whose objects belong to accounts: who may see an account may see them."""

    def scope(self, user: AbstractBaseUser | AnonymousUser) -> Scope | None:
        """The accounts that `user` may see.

        Without a limit for clients without credentials: REALTIME_ALLOW_ANONYMOUS opens the stream
        to everybody, and there is no user who could be a member.
        """
        if user.is_anonymous:
            return None
        accounts = selectors.viewable_accounts(cast("User", user))
        return None if accounts is None else {"account": accounts}

    def scopes(self, users: Sequence[AbstractBaseUser]) -> Sequence[Scope | None]:
        """The accounts of each of `users`, read in one query for all of them and all feeds."""
        selectors.load_viewable_accounts(cast("Sequence[User]", users))
        return super().scopes(users)


@register
class PositionFeed(AccountsFeed):
    """Positions: live until they are closed."""

    name = "position_update"
    model = Position
    version = 2
    serializer_class = PositionSerializer
    key_field = "position_id"
    filter_fields = ("account", "symbol", "status", "strategy_id")
    permission = "trading.view_position"

    def is_live(self, instance: Position) -> bool:
        """Whether it is open, or about to be closed."""
        return instance.status != PositionStatus.CLOSED


@register
class EquityFeed(AccountsFeed):
    """An account's equity: its newest reading."""

    name = "equity_update"
    model = EquitySnapshot
    serializer_class = EquitySerializer
    key_field = "account"
    filter_fields = ("account",)
    permission = "trading.view_equitysnapshot"

    def current_rows(self) -> QuerySet[EquitySnapshot]:
        """The newest reading of each account: the older ones say nothing about the present."""
        return _newest_of_each_account(EquitySnapshot.objects.all())

    def lock_current(self, pks: Sequence[Any], *, using: str) -> Sequence[EquitySnapshot]:
        """Lock the accounts of these readings, as `record_equity` does; return their newest."""
        readings = EquitySnapshot.objects.using(using)
        accounts = locks.lock_accounts(readings.filter(pk__in=pks).values("account"), using=using)
        # A statement of its own: it sees what was recorded while this waited for the locks.
        return list(_newest_of_each_account(readings.filter(account__in=accounts)).order_by("pk"))


@register
class RiskStatusFeed(AccountsFeed):
    """What an account may do, with the figures and limits that say so."""

    name = "risk_status_update"
    model = RiskStatus
    version = 2
    serializer_class = RiskStatusSerializer
    key_field = "account"
    filter_fields = ("account",)
    permission = "trading.view_riskstatus"


def _newest_of_each_account(rows: QuerySet[EquitySnapshot]) -> QuerySet[EquitySnapshot]:
    newest = rows.order_by().values("account").annotate(newest=Max("pk"))
    return rows.filter(pk__in=newest.values("newest"))
