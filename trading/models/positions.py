"""Positions, long spot and short perpetual, and the funding that they were paid."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import F, Q

from realtime.published import PublishedModel
from trading import pnl
from trading.models.accounts import Account
from trading.models.columns import ChangedAtField, above_zero, amount, unknown_amount
from trading.models.validation import validate_symbol

ABOVE_ZERO = (
    "spot_entry_price",
    "perp_entry_price",
    "spot_current_price",
    "perp_current_price",
    "spot_exit_price",
    "perp_exit_price",
    "spot_quantity",
    "perp_quantity",
)


class PositionStatus(models.TextChoices):
    """A position's life: open, handed to the executor, gone."""

    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


LIVE_STATUSES = (PositionStatus.OPEN, PositionStatus.CLOSING)


class Position(PublishedModel):
    """A spot long and a perpetual short of one symbol, held as one."""

    position_id = models.UUIDField("position", primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, models.PROTECT, related_name="positions")
    symbol = models.CharField("symbol", max_length=32, validators=[validate_symbol])
    strategy_id = models.CharField("strategy", max_length=64, blank=True)
    status = models.CharField(
        "status", max_length=8, choices=PositionStatus.choices, default=PositionStatus.OPEN
    )
    simulated = models.BooleanField("simulated", default=False)

    spot_entry_price = amount("spot entry price")
    perp_entry_price = amount("perp entry price")
    spot_current_price = unknown_amount("spot current price")
    perp_current_price = unknown_amount("perp current price")
    spot_exit_price = unknown_amount("spot exit price")
    perp_exit_price = unknown_amount("perp exit price")
    spot_quantity = amount("spot quantity")
    perp_quantity = amount("perp quantity")
    leverage = amount("leverage", default=1)

    fees = amount("fees", default=0)
    funding_collected = amount("funding collected", default=0)
    unrealized_pnl = unknown_amount("unrealised PnL")
    realized_pnl = unknown_amount("realised PnL")
    liquidation_price = unknown_amount("liquidation price")
    liquidation_distance = unknown_amount("liquidation distance")
    close_reason = models.CharField("close reason", max_length=200, blank=True)

    opened_at = models.DateTimeField("opened at", help_text="Market time.")
    closed_at = models.DateTimeField("closed at", null=True, blank=True, help_text="Market time.")
    recorded_at = models.DateTimeField("recorded at", help_text="Market time of the last change.")
    updated_at = ChangedAtField("updated at", auto_now=True, help_text="Wall clock.")

    class Meta(PublishedModel.Meta):
        ordering = ("-opened_at", "position_id")
        indexes = (
            models.Index(fields=["-opened_at", "position_id"], name="trading_position_newest"),
            models.Index(fields=["account", "status", "symbol"], name="trading_position_account"),
            models.Index(fields=["symbol", "status"], name="trading_position_symbol"),
            models.Index(fields=["strategy_id"], name="trading_position_strategy"),
            models.Index(
                fields=["position_id"],
                condition=Q(simulated=False),
                name="trading_position_not_simulated",
            ),
        )
        constraints = (
            *above_zero("trading_position", *ABOVE_ZERO),
            models.CheckConstraint(
                condition=Q(status__in=PositionStatus.values), name="trading_position_status"
            ),
            models.CheckConstraint(
                condition=Q(symbol__contains="/"), name="trading_position_symbol_has_two_sides"
            ),
            models.CheckConstraint(
                condition=Q(leverage__gte=1), name="trading_position_leverage_of_one_or_more"
            ),
            models.CheckConstraint(
                condition=Q(fees__gte=0), name="trading_position_fees_not_negative"
            ),
            models.CheckConstraint(
                condition=(
                    Q(
                        status=PositionStatus.CLOSED,
                        closed_at__isnull=False,
                        closed_at__gte=F("opened_at"),
                        spot_exit_price__isnull=False,
                        perp_exit_price__isnull=False,
                        realized_pnl__isnull=False,
                    )
                    | Q(
                        ~Q(status=PositionStatus.CLOSED),
                        closed_at__isnull=True,
                        spot_exit_price__isnull=True,
                        perp_exit_price__isnull=True,
                        realized_pnl__isnull=True,
                    )
                ),
                name="trading_position_closed_when_closed",
            ),
        )

    def __str__(self) -> str:
        return f"{self.symbol} {self.status} {self.position_id}"

    @property
    def spot_leg(self) -> pnl.Leg:
        """The long spot leg."""
        return pnl.Leg(entry_price=self.spot_entry_price, quantity=self.spot_quantity)

    @property
    def perp_leg(self) -> pnl.Leg:
        """The short perpetual leg."""
        return pnl.Leg(entry_price=self.perp_entry_price, quantity=self.perp_quantity)


class FundingPayment(models.Model):
    """One settlement's funding for one position; negative when the position paid."""

    position = models.ForeignKey(Position, models.CASCADE, related_name="funding_payments")
    amount = amount("amount")
    rate = unknown_amount("rate")
    recorded_at = models.DateTimeField("recorded at", help_text="Market time of the settlement.")
    created_at = models.DateTimeField("created at", auto_now_add=True, help_text="Wall clock.")

    class Meta:
        ordering = ("-recorded_at", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=["position", "recorded_at"], name="trading_funding_once_a_settlement"
            ),
        )

    def __str__(self) -> str:
        return f"{self.amount} at {self.recorded_at:%Y-%m-%d %H:%M}"
