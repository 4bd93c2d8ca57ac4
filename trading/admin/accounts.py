"""Accounts and their members, with the decisions about risk as actions."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from trading import columns
from trading.admin.deciding import DecidingAdmin
from trading.models import Account, RiskState


@admin.register(Account)
class AccountAdmin(DecidingAdmin):
    """Accounts; an account's name is its key and stays."""

    account_field = "pk"
    fields = ("slug", "name", "starting_capital", "members")
    list_display = ("slug", "name", "risk", "member_count", "capital", "created_at")
    search_fields = ("slug", "name")
    list_filter = ("risk_status__status",)
    filter_horizontal = ("members",)
    list_select_related = ("risk_status",)
    ordering = ("slug",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """The user's accounts."""
        accounts = super().get_queryset(request).annotate(members_counted=Count("members"))
        return cast("QuerySet[Any]", accounts)

    def get_readonly_fields(self, request: HttpRequest, obj: Account | None = None) -> tuple[str]:
        """The key of an account that exists cannot be edited: that would make a second one."""
        return ("slug",) if obj else ()  # type: ignore[return-value]

    @admin.display(description="risk status", ordering="risk_status__status")
    def risk(self, account: Account) -> Any:
        """What it may do; an account that was never judged trades normally."""
        status = getattr(account, "risk_status", None)
        return columns.state(status.status if status else RiskState.NORMAL)

    @admin.display(description="members", ordering="members_counted")
    def member_count(self, account: Any) -> int:
        """How many users see it as members."""
        return int(account.members_counted)

    @admin.display(description="starting capital", ordering="starting_capital")
    def capital(self, account: Account) -> str:
        """What a simulation begins with."""
        return columns.price(account.starting_capital)
