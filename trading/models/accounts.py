"""Accounts: whose positions, equity and risk it is; services lock the row before they decide."""

from __future__ import annotations

from decimal import Decimal

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models

from trading.models.columns import amount

DEFAULT_ACCOUNT = "default"
VIEW_ALL_ACCOUNTS = "trading.view_all_accounts"
DEFAULT_STARTING_CAPITAL = Decimal(100_000)


class Account(models.Model):
    """A book of positions with one equity and one risk status.

    Its key is its name on the wire, so that a row's `account_id` needs no join to be published.
    """

    slug = models.CharField(
        "account",
        max_length=50,
        primary_key=True,
        validators=[
            RegexValidator(
                r"^[a-z0-9][a-z0-9_-]*\Z",
                "Use lower-case letters, digits, hyphens and underscores.",
            )
        ],
    )
    name = models.CharField("name", max_length=100, blank=True)
    starting_capital = amount(
        "starting capital",
        default=DEFAULT_STARTING_CAPITAL,
        help_text="In USDT; what a simulation begins with.",
    )
    members = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        verbose_name="members",
        related_name="trading_accounts",
        blank=True,
        help_text="The users who see this account.",
    )
    created_at = models.DateTimeField("created at", auto_now_add=True)

    class Meta:
        ordering = ("slug",)
        permissions = (("view_all_accounts", "Can view all accounts without being a member"),)

    def __str__(self) -> str:
        return self.slug
