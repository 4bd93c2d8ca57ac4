"""What an account may do, one row an account, and every change of it."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from realtime.published import PublishedModel
from trading import risk
from trading.models.accounts import Account
from trading.models.columns import amount, unknown_amount
from trading.models.history import HistoryQuerySet


class RiskState(models.TextChoices):
    """The values of `RiskStatus.status`, as the risk engine names them."""

    NORMAL = risk.Status.NORMAL.value
    SOFT_PAUSE = risk.Status.SOFT_PAUSE.value
    HARD_STOP = risk.Status.HARD_STOP.value


class RiskStatus(PublishedModel):
    """What an account may do now, with the figures and limits that say so.

    It also keeps what the next reading is measured against: the peak, the day's start, the day.
    """

    account = models.OneToOneField(
        Account, models.CASCADE, primary_key=True, related_name="risk_status"
    )
    status = models.CharField(
        "status", max_length=10, choices=RiskState.choices, default=RiskState.NORMAL
    )
    message = models.CharField("message", max_length=300, default=risk.NORMAL.message)
    paused_on = models.DateField(
        "paused on", null=True, blank=True, help_text="Trading day that a soft pause ends with."
    )
    total_equity = unknown_amount("total equity")
    peak_equity = unknown_amount("peak equity")
    day_start_equity = unknown_amount("equity at the day's start")
    day = models.DateField("trading day of the figures", null=True, blank=True)
    drawdown_pct = amount("drawdown", default=0)
    daily_loss_pct = amount("daily loss", default=0)
    drawdown_limit = amount("drawdown limit")
    daily_loss_limit = amount("daily loss limit")
    stale_inputs = models.CharField(
        "stale inputs", max_length=32, blank=True, help_text="What is overdue, with commas."
    )
    stale_since = models.DateTimeField(
        "stale since", null=True, blank=True, help_text="Wall clock of the last input."
    )
    warning = models.CharField("warning", max_length=300, blank=True)
    recorded_at = models.DateTimeField("recorded at", help_text="Market time of the last change.")
    updated_at = models.DateTimeField("updated at", auto_now=True, help_text="Wall clock.")

    class Meta(PublishedModel.Meta):
        verbose_name_plural = "risk statuses"
        ordering = ("account",)
        constraints = (
            models.CheckConstraint(
                condition=Q(status__in=RiskState.values), name="trading_risk_status"
            ),
            models.CheckConstraint(
                condition=(
                    Q(status=RiskState.SOFT_PAUSE, paused_on__isnull=False)
                    | Q(~Q(status=RiskState.SOFT_PAUSE), paused_on__isnull=True)
                ),
                name="trading_risk_pause_has_its_day",
            ),
        )

    def __str__(self) -> str:
        return f"{self.account_id} {self.status}"


class RiskChange(models.Model):
    """One change of a risk status: who made it, why, and from which figures."""

    account = models.ForeignKey(Account, models.CASCADE, related_name="risk_changes")
    old_status = models.CharField("old status", max_length=10, choices=RiskState.choices)
    new_status = models.CharField("new status", max_length=10, choices=RiskState.choices)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="Empty when no person did it, or the person is gone.",
    )
    made_by = models.CharField("made by", max_length=150)
    reason = models.CharField("reason", max_length=300)
    total_equity = unknown_amount("total equity")
    peak_equity = unknown_amount("peak equity")
    day_start_equity = unknown_amount("equity at the day's start")
    drawdown_pct = amount("drawdown")
    daily_loss_pct = amount("daily loss")
    drawdown_limit = amount("drawdown limit")
    daily_loss_limit = amount("daily loss limit")
    recorded_at = models.DateTimeField("recorded at", help_text="Market time.")
    created_at = models.DateTimeField("created at", auto_now_add=True, help_text="Wall clock.")

    objects = HistoryQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=["account", "-id"], name="trading_riskchange_newest"),)

    def __str__(self) -> str:
        return f"{self.account_id} {self.old_status} → {self.new_status} by {self.made_by}"
