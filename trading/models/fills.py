"""Fills: what an exchange executed for a position, row by row; a position holds their sum."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from trading.models.columns import above_zero, amount
from trading.models.history import HistoryQuerySet
from trading.models.positions import Position


class FillLeg(models.TextChoices):
    """The side of a position that a fill belongs to."""

    SPOT = "spot"
    PERP = "perp"


class FillEffect(models.TextChoices):
    """What a fill does to its leg: opening buys spot or sells perp, closing the reverse."""

    OPENING = "opening"
    CLOSING = "closing"


class Fill(models.Model):
    """One execution. Rows are history; they go only with their position."""

    position = models.ForeignKey(Position, models.CASCADE, related_name="fills")
    leg = models.CharField("leg", max_length=4, choices=FillLeg.choices)
    effect = models.CharField("effect", max_length=7, choices=FillEffect.choices)
    price = amount("price")
    quantity = amount("quantity")
    fee = amount("fee", default=0)
    fill_id = models.CharField(
        "fill",
        max_length=64,
        blank=True,
        help_text="The exchange's; empty when a leg was booked whole.",
    )
    recorded_at = models.DateTimeField("recorded at", help_text="Market time.")
    created_at = models.DateTimeField("created at", auto_now_add=True, help_text="Wall clock.")

    objects = HistoryQuerySet.as_manager()

    class Meta:
        ordering = ("id",)
        constraints = (
            *above_zero("trading_fill", "price", "quantity"),
            models.CheckConstraint(condition=Q(fee__gte=0), name="trading_fill_fee_not_negative"),
            models.CheckConstraint(
                condition=Q(leg__in=FillLeg.values, effect__in=FillEffect.values),
                name="trading_fill_leg_and_effect",
            ),
            # An exchange numbers its markets apart: spot and perp may give the same number.
            models.UniqueConstraint(
                fields=["position", "leg", "fill_id"],
                condition=~Q(fill_id=""),
                name="trading_fill_counts_once",
            ),
        )

    def __str__(self) -> str:
        return f"{self.effect} {self.leg} {self.quantity} at {self.price}"
