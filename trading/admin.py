"""The admin: positions and accounts to look at and correct, history to read only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from trading.errors import InvalidAmount
from trading.models import (
    Account,
    EquitySnapshot,
    FundingPayment,
    Position,
    RiskChange,
    RiskStatus,
)
from trading.services.figures import FIGURES, rebook, refresh
from trading.services.locks import lock_position

if TYPE_CHECKING:
    AnyAdmin = admin.ModelAdmin[Any]
    AnyAccountAdmin = admin.ModelAdmin[Account]
    AnyPositionAdmin = admin.ModelAdmin[Position]
    AnyPositionForm = forms.ModelForm[Position]
    AnyFundingInline = admin.TabularInline[FundingPayment, Position]
else:
    # Django's own classes take no type arguments.
    AnyAdmin = AnyAccountAdmin = AnyPositionAdmin = admin.ModelAdmin
    AnyPositionForm = forms.ModelForm
    AnyFundingInline = admin.TabularInline


class ReadOnly(AnyAdmin):
    """Rows that only services write."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Never."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Never."""
        return False


@admin.register(Account)
class AccountAdmin(AnyAccountAdmin):
    """Accounts and their members; an account's name is its key and stays."""

    list_display = ("slug", "name", "starting_capital", "created_at")
    search_fields = ("slug", "name")
    filter_horizontal = ("members",)

    def get_readonly_fields(self, request: HttpRequest, obj: Account | None = None) -> tuple[str]:
        """The key of an account that exists cannot be edited: that would make a second one."""
        return ("slug",) if obj else ()  # type: ignore[return-value]


class FundingPaymentInline(AnyFundingInline):
    """A position's funding, to read."""

    model = FundingPayment
    fields = ("recorded_at", "amount", "rate")
    readonly_fields = fields
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Never: `accrue_funding` keeps the sum right."""
        return False


class PositionForm(AnyPositionForm):
    """Corrections that the figures can follow."""

    def full_clean(self) -> None:
        """Refuse, after all else is found valid, what would make a figure too large."""
        super().full_clean()
        if self.is_bound and not self.errors:
            try:
                refresh(self.instance)
            except InvalidAmount as error:
                self.add_error(None, error.message)


@admin.register(Position)
class PositionAdmin(AnyPositionAdmin):
    """Positions to look at and correct; opening and closing them is the services' business."""

    form = PositionForm
    list_display = (
        "symbol",
        "account",
        "strategy_id",
        "status",
        "spot_quantity",
        "perp_quantity",
        "unrealized_pnl",
        "realized_pnl",
        "funding_collected",
        "opened_at",
        "simulated",
    )
    list_filter = ("status", "symbol", "account", "simulated")
    search_fields = ("position_id", "symbol", "strategy_id")
    date_hierarchy = "opened_at"
    fields = (
        ("position_id", "account", "symbol", "strategy_id"),
        ("status", "close_reason", "simulated"),
        ("spot_entry_price", "spot_current_price", "spot_exit_price", "spot_quantity"),
        ("perp_entry_price", "perp_current_price", "perp_exit_price", "perp_quantity"),
        ("leverage", "liquidation_price", "liquidation_distance"),
        ("unrealized_pnl", "realized_pnl", "funding_collected", "fees"),
        ("opened_at", "closed_at", "recorded_at", "updated_at"),
    )
    readonly_fields = (
        "position_id",
        "account",
        "symbol",
        "status",
        "simulated",
        "spot_exit_price",
        "perp_exit_price",
        "funding_collected",
        *FIGURES,
        "opened_at",
        "closed_at",
        "recorded_at",
        "updated_at",
    )
    list_select_related = ("account",)
    inlines = (FundingPaymentInline,)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never: `open_position` asks the risk engine first."""
        return False

    def save_model(self, request: HttpRequest, obj: Position, form: Any, change: bool) -> None:
        """Save what was typed, on the row as it is now: prices may have moved under the form."""
        row = lock_position(obj.pk)
        for name in form.changed_data:
            setattr(row, name, form.cleaned_data[name])
        if row.closed_at is not None:
            rebook(row)
        refresh(row)
        row.save(update_fields=[*form.changed_data, "closed_pnl", *FIGURES, "updated_at"])


@admin.register(EquitySnapshot)
class EquitySnapshotAdmin(ReadOnly):
    """Readings of equity."""

    list_display = (
        "account",
        "recorded_at",
        "total_equity",
        "peak_equity",
        "drawdown_pct",
        "daily_loss_pct",
        "simulated",
    )
    list_filter = ("account", "simulated")
    date_hierarchy = "recorded_at"
    list_select_related = ("account",)


@admin.register(RiskStatus)
class RiskStatusAdmin(ReadOnly):
    """What each account may do."""

    list_display = (
        "account",
        "status",
        "message",
        "drawdown_pct",
        "drawdown_limit",
        "daily_loss_pct",
        "daily_loss_limit",
        "updated_at",
    )
    list_filter = ("status",)
    list_select_related = ("account",)


@admin.register(RiskChange)
class RiskChangeAdmin(ReadOnly):
    """Every decision about risk."""

    list_display = (
        "account",
        "recorded_at",
        "old_status",
        "new_status",
        "made_by",
        "reason",
        "drawdown_pct",
        "daily_loss_pct",
    )
    list_filter = ("account", "new_status")
    date_hierarchy = "recorded_at"
    list_select_related = ("account",)
