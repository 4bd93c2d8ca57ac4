"""What trading publishes; `realtime` finds this file as the admin finds `admin.py`."""

from __future__ import annotations

from django.db.models import Max, QuerySet

from realtime.feeds import ModelFeed, register
from trading.models import EquitySnapshot, Position, PositionStatus, RiskStatus
from trading.serializers import EquitySerializer, PositionSerializer, RiskStatusSerializer


@register
class PositionFeed(ModelFeed):
    """Positions: live until they are closed."""

    name = "position_update"
    model = Position
    serializer_class = PositionSerializer
    key_field = "position_id"
    filter_fields = ("account", "symbol", "status", "strategy_id")
    permission = "trading.view_position"

    def is_live(self, instance: Position) -> bool:
        """Whether it is open, or about to be closed."""
        return instance.status != PositionStatus.CLOSED


@register
class EquityFeed(ModelFeed):
    """An account's equity: its newest reading."""

    name = "equity_update"
    model = EquitySnapshot
    serializer_class = EquitySerializer
    key_field = "account"
    filter_fields = ("account",)
    permission = "trading.view_equitysnapshot"

    def current_rows(self) -> QuerySet[EquitySnapshot]:
        """The newest reading of each account: the older ones say nothing about the present."""
        newest = EquitySnapshot.objects.order_by().values("account").annotate(newest=Max("pk"))
        return EquitySnapshot.objects.filter(pk__in=newest.values("newest"))


@register
class RiskStatusFeed(ModelFeed):
    """What an account may do, with the figures and limits that say so."""

    name = "risk_status_update"
    model = RiskStatus
    serializer_class = RiskStatusSerializer
    key_field = "account"
    filter_fields = ("account",)
    permission = "trading.view_riskstatus"
