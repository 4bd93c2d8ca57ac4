"""Readings of equity: added one after the other, never changed; the newest is the present."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from realtime.published import PublishedModel
from trading.models.accounts import Account
from trading.models.columns import amount
from trading.models.history import PublishedHistoryManager


class EquitySnapshot(PublishedModel):
    """What an account was worth at a time, and what that was measured against.

    Rows are history. The feed's key is the account and its data the newest row, so a change or a
    removal of an old one would tell clients something about the present that is not so:
    `trading.models.history` refuses both, except when the account itself goes.
    """

    account = models.ForeignKey(Account, models.CASCADE, related_name="equity_snapshots")
    total_equity = amount("total equity")
    peak_equity = amount("peak equity")
    day_start_equity = amount("equity at the day's start")
    drawdown_pct = amount("drawdown")
    daily_loss_pct = amount("daily loss")
    simulated = models.BooleanField("simulated", default=False)
    recorded_at = models.DateTimeField("recorded at", help_text="Market time.")
    created_at = models.DateTimeField("created at", auto_now_add=True, help_text="Wall clock.")

    objects = PublishedHistoryManager()

    class Meta(PublishedModel.Meta):
        ordering = ("-id",)
        indexes = (
            models.Index(fields=["account", "recorded_at", "id"], name="trading_equity_curve"),
            models.Index(fields=["account", "-id"], name="trading_equity_newest"),
            models.Index(
                fields=["id"], condition=Q(simulated=False), name="trading_equity_not_simulated"
            ),
        )
        constraints = (
            models.CheckConstraint(
                condition=Q(drawdown_pct__gte=0, daily_loss_pct__gte=0),
                name="trading_equity_losses_not_negative",
            ),
        )

    def __str__(self) -> str:
        return f"{self.account_id} {self.total_equity} at {self.recorded_at:%Y-%m-%d %H:%M}"
