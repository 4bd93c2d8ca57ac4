"""Risk: what each account may do, to decide on; and every decision, to read."""

from __future__ import annotations

from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString

from realtime.admin.lists import ReadOnly
from trading import columns
from trading.admin.deciding import DecidingAdmin
from trading.admin.exporting import ExportingAdmin
from trading.admin.scope import BY_ACCOUNT
from trading.models import RiskChange, RiskStatus


@admin.register(RiskStatus)
class RiskStatusAdmin(ReadOnly, DecidingAdmin):
    """What each account may do; it changes by decisions alone."""

    list_display = (
        "account_name",
        "state",
        "drawdown",
        "daily_loss",
        "equity",
        "message",
        "overdue",
        "updated_at",
    )
    list_filter = ("status",)
    search_fields = ("account__slug", "message")
    ordering = ("account_id",)

    @admin.display(description="status", ordering="status")
    def state(self, status: RiskStatus) -> SafeString:
        """What it may do."""
        return columns.state(status.status)

    @admin.display(description="warning", ordering="warning")
    def overdue(self, status: RiskStatus) -> SafeString:
        """Which inputs are overdue."""
        return format_html('<span class="warn">{}</span>', status.warning)

    @admin.display(ordering="drawdown_pct")
    def drawdown(self, status: RiskStatus) -> SafeString:
        """The fall from the peak, beside its limit."""
        return columns.against_limit(status.drawdown_pct, status.drawdown_limit)

    @admin.display(description="daily loss", ordering="daily_loss_pct")
    def daily_loss(self, status: RiskStatus) -> SafeString:
        """The loss since the day's start, beside its limit."""
        return columns.against_limit(status.daily_loss_pct, status.daily_loss_limit)

    @admin.display(description="total equity", ordering="total_equity")
    def equity(self, status: RiskStatus) -> str:
        """What the account was worth at the last reading."""
        return columns.price(status.total_equity)


@admin.register(RiskChange)
class RiskChangeAdmin(ReadOnly, ExportingAdmin):
    """Every decision about risk: who, why, from which figures."""

    export_name = "risk"
    list_display = (
        "moment",
        "account_name",
        "change",
        "made_by",
        "reason",
        "drawdown",
        "daily_loss",
    )
    list_filter = (BY_ACCOUNT, "new_status")
    search_fields = ("made_by", "reason")
    date_hierarchy = "recorded_at"
    ordering = ("-id",)
    sortable_by = ()

    @admin.display(description="market time")
    def moment(self, change: RiskChange) -> str:
        """The market time, UTC."""
        return f"{change.recorded_at:%Y-%m-%d %H:%M:%S}"

    @admin.display
    def change(self, change: RiskChange) -> SafeString:
        """From what to what."""
        return columns.change(change.old_status, change.new_status)

    @admin.display
    def drawdown(self, change: RiskChange) -> SafeString:
        """The fall from the peak, beside its limit."""
        return columns.against_limit(change.drawdown_pct, change.drawdown_limit)

    @admin.display(description="daily loss")
    def daily_loss(self, change: RiskChange) -> SafeString:
        """The loss since the day's start, beside its limit."""
        return columns.against_limit(change.daily_loss_pct, change.daily_loss_limit)
