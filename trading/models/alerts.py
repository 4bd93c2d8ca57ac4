"""Alerts: what people are to be told, written with the change that it tells of, sent afterwards."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q

from trading.models.accounts import Account


class AlertKind(models.TextChoices):
    """What an alert tells of."""

    SOFT_PAUSE = "soft_pause"
    HARD_STOP = "hard_stop"
    RESUMED = "resumed"
    STALE_INPUTS = "stale_inputs"
    INPUTS_AGAIN = "inputs_again"


class AlertChannel(models.TextChoices):
    """The way that an alert goes."""

    WEBHOOK = "webhook"
    EMAIL = "email"


class AlertState(models.TextChoices):
    """Whether an alert has gone."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"


class Alert(models.Model):
    """One alert on one channel: the outbox that the servers' watchers send from.

    Who sends it raises `tries` and moves `next_try_at` behind its lease, in one conditional
    update: nobody else takes the row before the lease is over.
    """

    alert_id = models.UUIDField("alert", default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, models.CASCADE, related_name="alerts")
    kind = models.CharField("kind", max_length=12, choices=AlertKind.choices)
    channel = models.CharField("channel", max_length=7, choices=AlertChannel.choices)
    payload = models.JSONField("payload")
    state = models.CharField(
        "state", max_length=7, choices=AlertState.choices, default=AlertState.PENDING
    )
    tries = models.PositiveSmallIntegerField("tries", default=0)
    error = models.CharField("last error", max_length=200, blank=True)
    next_try_at = models.DateTimeField("next try at", help_text="Wall clock.")
    sent_at = models.DateTimeField("sent at", null=True, blank=True, help_text="Wall clock.")
    created_at = models.DateTimeField("created at", auto_now_add=True, help_text="Wall clock.")

    class Meta:
        ordering = ("-id",)
        indexes = (
            models.Index(
                fields=["next_try_at", "id"],
                condition=Q(state=AlertState.PENDING),
                name="trading_alert_pending",
            ),
        )
        constraints = (
            models.UniqueConstraint(
                fields=["alert_id", "channel"], name="trading_alert_once_a_channel"
            ),
        )

    def __str__(self) -> str:
        return f"{self.account_id} {self.kind} by {self.channel}: {self.state}"
