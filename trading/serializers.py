"""Rows as the wire and REST show them; each needs its row alone, since every save runs one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rest_framework import serializers

from realtime.decimals import MoneyField, QuantityField
from realtime.timestamps import isoformat
from trading.models import EquitySnapshot, Fill, Position, RiskChange, RiskStatus


class MomentField(serializers.Field[datetime, Any, str, Any]):
    """A time as the protocol writes it: UTC, milliseconds, `Z`."""

    data_schema = {"type": "string", "format": "date-time"}

    def to_representation(self, value: datetime) -> str:
        """The moment as text."""
        return isoformat(value)


class PositionSerializer(serializers.ModelSerializer[Position]):
    """The data of `position_update`."""

    account = serializers.CharField(source="account_id")
    spot_entry_price = MoneyField()
    perp_entry_price = MoneyField()
    spot_current_price = MoneyField()
    perp_current_price = MoneyField()
    spot_exit_price = MoneyField()
    perp_exit_price = MoneyField()
    spot_quantity = QuantityField()
    perp_quantity = QuantityField()
    spot_closed_quantity = QuantityField()
    perp_closed_quantity = QuantityField()
    imbalance = QuantityField()
    leverage = QuantityField()
    unrealized_pnl = MoneyField()
    realized_pnl = MoneyField()
    funding_collected = MoneyField()
    fees = MoneyField()
    liquidation_price = MoneyField()
    liquidation_distance = QuantityField()
    opened_at = MomentField()
    closed_at = MomentField()
    priced_at = MomentField()
    recorded_at = MomentField()
    updated_at = MomentField()

    class Meta:
        model = Position
        fields = (
            "position_id",
            "account",
            "symbol",
            "strategy_id",
            "status",
            "spot_entry_price",
            "perp_entry_price",
            "spot_current_price",
            "perp_current_price",
            "spot_exit_price",
            "perp_exit_price",
            "spot_quantity",
            "perp_quantity",
            "spot_closed_quantity",
            "perp_closed_quantity",
            "imbalance",
            "is_imbalanced",
            "leverage",
            "unrealized_pnl",
            "realized_pnl",
            "funding_collected",
            "fees",
            "liquidation_price",
            "liquidation_distance",
            "close_reason",
            "simulated",
            "opened_at",
            "closed_at",
            "priced_at",
            "recorded_at",
            "updated_at",
        )
        read_only_fields = fields


class FillSerializer(serializers.ModelSerializer[Fill]):
    """One fill of a position, as REST shows it."""

    price = MoneyField()
    quantity = QuantityField()
    fee = MoneyField()
    recorded_at = MomentField()
    created_at = MomentField()

    class Meta:
        model = Fill
        fields = (
            "leg",
            "effect",
            "price",
            "quantity",
            "fee",
            "fill_id",
            "recorded_at",
            "created_at",
        )
        read_only_fields = fields


class EquitySerializer(serializers.ModelSerializer[EquitySnapshot]):
    """The data of `equity_update`; `current_equity` is `total_equity`, as clients expect both."""

    account = serializers.CharField(source="account_id")
    total_equity = MoneyField()
    current_equity = MoneyField(source="total_equity")
    peak_equity = MoneyField()
    day_start_equity = MoneyField()
    drawdown_pct = QuantityField()
    daily_loss_pct = QuantityField()
    recorded_at = MomentField()

    class Meta:
        model = EquitySnapshot
        fields = (
            "account",
            "total_equity",
            "current_equity",
            "peak_equity",
            "day_start_equity",
            "drawdown_pct",
            "daily_loss_pct",
            "simulated",
            "recorded_at",
        )
        read_only_fields = fields


class WordsField(serializers.Field[str, Any, list[str], Any]):
    """Words that a column keeps with commas between, as a list."""

    data_schema = {"type": "array", "items": {"type": "string"}}

    def to_representation(self, value: str) -> list[str]:
        """The words."""
        return value.split(",") if value else []


class RiskStatusSerializer(serializers.ModelSerializer[RiskStatus]):
    """The data of `risk_status_update`."""

    account = serializers.CharField(source="account_id")
    total_equity = MoneyField()
    peak_equity = MoneyField()
    day_start_equity = MoneyField()
    drawdown_pct = QuantityField()
    drawdown_limit = QuantityField()
    daily_loss_pct = QuantityField()
    daily_loss_limit = QuantityField()
    stale_inputs = WordsField()
    stale_since = MomentField()
    recorded_at = MomentField()
    updated_at = MomentField()

    class Meta:
        model = RiskStatus
        fields = (
            "account",
            "status",
            "message",
            "drawdown_pct",
            "drawdown_limit",
            "daily_loss_pct",
            "daily_loss_limit",
            "total_equity",
            "peak_equity",
            "day_start_equity",
            "paused_on",
            "warning",
            "stale_inputs",
            "stale_since",
            "recorded_at",
            "updated_at",
        )
        read_only_fields = fields


class RiskChangeSerializer(serializers.ModelSerializer[RiskChange]):
    """One change of a risk status: from what to what, who, why, from which figures."""

    total_equity = MoneyField()
    peak_equity = MoneyField()
    day_start_equity = MoneyField()
    drawdown_pct = QuantityField()
    drawdown_limit = QuantityField()
    daily_loss_pct = QuantityField()
    daily_loss_limit = QuantityField()
    recorded_at = MomentField()
    created_at = MomentField()

    class Meta:
        model = RiskChange
        fields = (
            "old_status",
            "new_status",
            "made_by",
            "reason",
            "total_equity",
            "peak_equity",
            "day_start_equity",
            "drawdown_pct",
            "drawdown_limit",
            "daily_loss_pct",
            "daily_loss_limit",
            "recorded_at",
            "created_at",
        )
        read_only_fields = fields


class RiskDecisionSerializer(RiskChangeSerializer):
    """A change of a risk status apart from its account's other changes: a line of an export."""

    account = serializers.CharField(source="account_id")

    class Meta:
        model = RiskChange
        fields = ("account", *RiskChangeSerializer.Meta.fields)
        read_only_fields = fields
