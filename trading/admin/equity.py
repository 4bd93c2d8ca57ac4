"""Readings of equity, to read."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from realtime.admin.lists import Period, ReadOnly
from trading import columns, overviews
from trading.admin.exporting import ExportingAdmin
from trading.admin.scope import BY_ACCOUNT
from trading.models import EquitySnapshot


@admin.register(EquitySnapshot)
class EquitySnapshotAdmin(ReadOnly, ExportingAdmin):
    """Readings of equity, newest first."""

    export_name = "equity"
    list_display = ("moment", "account_name", "equity", "peak", "drawdown", "daily_loss", "kind")
    list_filter = (BY_ACCOUNT, "simulated")
    date_hierarchy = "recorded_at"
    ordering = ("-id",)
    sortable_by = ()

    def period(self, request: HttpRequest) -> Period | None:
        """The first and the last market time, found by each account's index."""
        return overviews.equity_period(accounts=self.accounts(request))

    @admin.display(description="market time")
    def moment(self, reading: EquitySnapshot) -> str:
        """The market time, UTC."""
        return f"{reading.recorded_at:%Y-%m-%d %H:%M:%S}"

    @admin.display(description="total equity")
    def equity(self, reading: EquitySnapshot) -> str:
        """What the account was worth."""
        return columns.price(reading.total_equity)

    @admin.display(description="peak")
    def peak(self, reading: EquitySnapshot) -> str:
        """The highest it had been."""
        return columns.price(reading.peak_equity)

    @admin.display
    def drawdown(self, reading: EquitySnapshot) -> SafeString:
        """The fall from the peak."""
        return columns.loss(reading.drawdown_pct)

    @admin.display(description="daily loss")
    def daily_loss(self, reading: EquitySnapshot) -> SafeString:
        """The loss since the day's start."""
        return columns.loss(reading.daily_loss_pct)
