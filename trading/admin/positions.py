"""Positions to look at, correct and close; opening them is the services' business."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.db import transaction
from django.db.models import F, Model, QuerySet, Value
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from realtime.admin.tools import Tool
from trading import columns
from trading.admin.closing import KEYS, ClosePage
from trading.admin.exporting import ExportingAdmin
from trading.admin.scope import BY_ACCOUNT
from trading.amounts import ZERO
from trading.errors import InvalidAmount
from trading.models import Fill, FundingPayment, Position, PositionStatus
from trading.services.figures import FIGURES, rebook, refresh
from trading.services.locks import lock_position

if TYPE_CHECKING:
    AnyPositionForm = forms.ModelForm[Position]
    AnyFundingInline = admin.TabularInline[FundingPayment, Position]
    AnyFillInline = admin.TabularInline[Fill, Position]
else:
    # Django's own classes take no type arguments.
    AnyPositionForm = forms.ModelForm
    AnyFundingInline = AnyFillInline = admin.TabularInline


# As `Position.net_pnl`; of a closed one nothing is unrealised.
NET_PNL = F("unrealized_pnl") + Coalesce("realized_pnl", Value(ZERO))


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


class FillInline(AnyFillInline):
    """What an exchange executed for a position, to read."""

    model = Fill
    fields = ("recorded_at", "leg", "effect", "price", "quantity", "fee", "fill_id")
    readonly_fields = fields
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Never: `record_fill` keeps the position their sum."""
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


class SymbolFilter(admin.AllValuesFieldListFilter):
    """The symbols of the accounts that the user may see."""

    def __init__(self, field: Any, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(field, request, *args, **kwargs)
        model_admin = args[2]
        symbols = model_admin.get_queryset(request).order_by("symbol").values_list("symbol")
        self.lookup_choices = symbols.values_list("symbol", flat=True).distinct()


@admin.register(Position)
class PositionAdmin(ExportingAdmin):
    """Positions with both legs; closing them asks for exit prices and a reason."""

    export_name = "positions"
    form = PositionForm
    list_display = (
        "symbol",
        "status",
        "pnl",
        "liquidation",
        "spot",
        "perp",
        "unhedged",
        "funding",
        "age",
        "account_and_strategy",
        "kind",
    )
    list_filter = ("status", ("symbol", SymbolFilter), BY_ACCOUNT, "simulated")
    search_fields = ("=position_id", "symbol", "strategy_id")
    search_help_text = "A symbol, a strategy, or a position's whole id."
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
    inlines = (FillInline, FundingPaymentInline)
    actions = ("close_positions",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never: `open_position` asks the risk engine first."""
        return False

    def get_urls(self) -> list[URLPattern]:
        """Beside Django's own: closing."""
        view = self.admin_site.admin_view(ClosePage(self))
        return [path("close/", view, name="trading_position_close"), *super().get_urls()]

    def object_tools(self, request: HttpRequest, obj: Position) -> list[Tool]:
        """To close it, while it is live."""
        if obj.status == PositionStatus.CLOSED or not self.has_change_permission(request):
            return []
        url = reverse(f"{self.admin_site.name}:trading_position_close")
        return [Tool("Close position", f"{url}?{KEYS}={obj.pk}")]

    @admin.action(description="Close selected positions", permissions=["change"])
    def close_positions(self, request: HttpRequest, queryset: QuerySet[Position]) -> HttpResponse:
        """Ask for exit prices and a reason."""
        keys = [str(pk) for pk in queryset.values_list("pk", flat=True)]
        return ClosePage(self).ask(request, keys)

    def save_model(self, request: HttpRequest, obj: Position, form: Any, change: bool) -> None:
        """Save what was typed, on the row as it is now: prices may have moved under the form."""
        with transaction.atomic():
            row = lock_position(obj.pk)
            for name in form.changed_data:
                setattr(row, name, form.cleaned_data[name])
            if row.closed_at is not None:
                rebook(row)
            refresh(row)
            row.save(update_fields=[*form.changed_data, "closed_pnl", *FIGURES, "updated_at"])

    @admin.display(description="account", ordering="account")
    def account_and_strategy(self, position: Position) -> SafeString | str:
        """Whose it is, and which strategy's."""
        if not position.strategy_id:
            return position.account_id
        return format_html(
            '{}<br><span class="quiet">{}</span>', position.account_id, position.strategy_id
        )

    @admin.display(description="spot leg (long)", ordering="spot_quantity")
    def spot(self, position: Position) -> SafeString:
        """The long leg."""
        return columns.leg(
            quantity=position.spot_quantity,
            entry=position.spot_entry_price,
            now=position.spot_current_price,
            exit_price=position.spot_exit_price,
        )

    @admin.display(description="perp leg (short)", ordering="perp_quantity")
    def perp(self, position: Position) -> SafeString:
        """The short leg."""
        return columns.leg(
            quantity=position.perp_quantity,
            entry=position.perp_entry_price,
            now=position.perp_current_price,
            exit_price=position.perp_exit_price,
        )

    @admin.display(description="net PnL", ordering=NET_PNL)
    def pnl(self, position: Position) -> SafeString:
        """Of the parts that are closed and of those that are open."""
        return columns.signed(position.net_pnl)

    @admin.display(description="imbalance")
    def unhedged(self, position: Position) -> SafeString:
        """What the legs leave unhedged; more than the limit stands out."""
        return columns.imbalance(position.imbalance, is_over=position.is_imbalanced)

    @admin.display(description="funding", ordering="funding_collected")
    def funding(self, position: Position) -> SafeString:
        """What it was paid."""
        return columns.signed(position.funding_collected)

    @admin.display(description="to liquidation", ordering="liquidation_distance")
    def liquidation(self, position: Position) -> SafeString:
        """How far the perpetual may rise."""
        return columns.distance(position.liquidation_distance)

    @admin.display(description="age", ordering="-opened_at")
    def age(self, position: Position) -> str:
        """How long it has been held, or was."""
        return columns.age((position.closed_at or timezone.now()) - position.opened_at)
