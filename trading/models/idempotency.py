"""Answers kept by the caller's key, so that a request that is sent twice is carried out once."""

from __future__ import annotations

from django.conf import settings
from django.db import models

LONGEST_KEY = 255


class KeptAnswer(models.Model):
    """What a user's request with an `Idempotency-Key` was answered; gone after a day."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    key = models.CharField("key", max_length=LONGEST_KEY)
    request_digest = models.CharField("request", max_length=64, help_text="SHA-256, hexadecimal.")
    status = models.PositiveSmallIntegerField("status", default=0)
    body = models.TextField("body", blank=True, help_text="JSON.")
    created_at = models.DateTimeField("created at", help_text="Wall clock.")

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["user", "key"], name="trading_keptanswer_once_a_key"),
        )
        indexes = (models.Index(fields=["user", "created_at"], name="trading_keptanswer_age"),)

    def __str__(self) -> str:
        return f"{self.key} of {self.user_id}"
