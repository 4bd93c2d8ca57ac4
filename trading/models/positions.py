"""Positions, long spot and short perpetual, and the funding that they were paid."""

from __future__ import annotations

import uuid
from decimal import Decimal

from django.core.exceptions import ValidationError
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
)


class PositionStatus(models.TextChoices):
    """A position's life: open, handed to the executor, gone."""

    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


LIVE_STATUSES = (PositionStatus.OPEN, PositionStatus.CLOSING)


def _holds_or_held(leg: str) -> Q:
    """A leg holds something, unless all of it is closed or its fills are still to come."""
    held, closed = f"{leg}_quantity", f"{leg}_closed_quantity"
    emptied = Q(**{held: 0}) & (Q(**{f"{closed}__gt": 0}) | Q(by_fills=True))
    return Q(**{f"{closed}__gte": 0}) & (Q(**{f"{held}__gt": 0}) | emptied)


def _exit_price_of_what_is_closed(leg: str) -> Q:
    closed, exit_price = f"{leg}_closed_quantity", f"{leg}_exit_price__isnull"
    return Q(**{closed: 0, exit_price: True}) | Q(**{f"{closed}__gt": 0, exit_price: False})


def _nothing_closed() -> Q:
    return Q(spot_closed_quantity=0, perp_closed_quantity=0)


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
    spot_closed_quantity = amount("spot quantity closed", default=0)
    perp_closed_quantity = amount("perp quantity closed", default=0)
    by_fills = models.BooleanField(
        "by fills", default=False, help_text="Opened empty; holds what its fills say."
    )
    is_imbalanced = models.BooleanField("imbalanced", default=False)
    leverage = amount("leverage", default=1)

    fees = amount("fees", default=0)
    funding_collected = amount("funding collected", default=0)
    closed_pnl = amount(
        "PnL of what is closed", default=0, help_text="Price gains alone, before funding and fees."
    )
    unrealized_pnl = unknown_amount("unrealised PnL")
    realized_pnl = unknown_amount("realised PnL")
    liquidation_price = unknown_amount("liquidation price")
    liquidation_distance = unknown_amount("liquidation distance")
    close_reason = models.CharField("close reason", max_length=200, blank=True)

    opened_at = models.DateTimeField("opened at", help_text="Market time.")
    closed_at = models.DateTimeField("closed at", null=True, blank=True, help_text="Market time.")
    recorded_at = models.DateTimeField("recorded at", help_text="Market time of the last change.")
    priced_at = models.DateTimeField(
        "priced at", null=True, blank=True, help_text="Wall clock of the last price."
    )
    created_at = models.DateTimeField("created at", auto_now_add=True, help_text="Wall clock.")
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
                condition=_holds_or_held("spot"), name="trading_position_spot_quantity"
            ),
            models.CheckConstraint(
                condition=_holds_or_held("perp"), name="trading_position_perp_quantity"
            ),
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
                    )
                ),
                name="trading_position_closed_when_closed",
            ),
            models.CheckConstraint(
                condition=(
                    Q(status=PositionStatus.CLOSED)
                    | (
                        _exit_price_of_what_is_closed("spot")
                        & _exit_price_of_what_is_closed("perp")
                        & (
                            (_nothing_closed() & Q(realized_pnl__isnull=True))
                            | (~_nothing_closed() & Q(realized_pnl__isnull=False))
                        )
                    )
                ),
                name="trading_position_realised_as_closed",
            ),
        )

    def __str__(self) -> str:
        return f"{self.symbol} {self.status} {self.position_id}"

    def clean(self) -> None:
        """Say in a form what the database would refuse: a leg that holds nothing."""
        super().clean()
        for leg in ("spot", "perp"):
            quantity = getattr(self, f"{leg}_quantity")
            may_be_empty = self.by_fills or getattr(self, f"{leg}_closed_quantity") > 0
            if quantity is not None and (quantity < 0 or not (quantity or may_be_empty)):
                raise ValidationError({f"{leg}_quantity": "It must be above zero."})

    @property
    def imbalance(self) -> Decimal | None:
        """What the legs leave unhedged: spot − perp while it is live, above zero when long.

        None for a row that says nothing yet.
        """
        if self.status == PositionStatus.CLOSED:
            return pnl.ZERO
        if self.spot_quantity is None or self.perp_quantity is None:
            return None
        return self.spot_quantity - self.perp_quantity

    @property
    def net_pnl(self) -> Decimal | None:
        """What it has earned so far, closed parts and open ones; None while a price is unknown."""
        if self.status == PositionStatus.CLOSED:
            return self.realized_pnl
        if self.unrealized_pnl is None:
            return None
        return self.unrealized_pnl + (self.realized_pnl or pnl.ZERO)

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
