"""Which accounts a person works on in the admin: those that the stream would show it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar, cast

from django import forms
from django.contrib import admin
from django.db.models import DecimalField, Field, QuerySet
from django.http import HttpRequest

from realtime.admin.lists import FastAdmin
from realtime.decimals import to_fixed
from trading import selectors


class ExactNumberInput(forms.NumberInput):
    """A number without further zeros and without an exponent: `0`, not `0E-8`."""

    def format_value(self, value: Any) -> str | None:
        """The number as it is typed."""
        if isinstance(value, Decimal):
            return to_fixed(value, minimum_places=0)
        return cast("str | None", super().format_value(value))


class ScopedAdmin(FastAdmin):
    """Rows of the accounts that the user may see; the others are as if they were not there."""

    formfield_overrides = {DecimalField: {"widget": ExactNumberInput}}
    account_field: ClassVar[str] = "account"

    def accounts(self, request: HttpRequest) -> selectors.Accounts:
        """The user's accounts; None for all of them."""
        return selectors.viewable_accounts(cast("Any", request.user))

    @admin.display(description="account", ordering="account")
    def account_name(self, row: Any) -> str:
        """The account's key, which needs no query."""
        return str(row.account_id)

    @admin.display(description="kind", ordering="simulated")
    def kind(self, row: Any) -> str:
        """Whether it is of the market or of a simulation."""
        return "simulated" if row.simulated else "real"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """The rows of the user's accounts."""
        rows: QuerySet[Any] = super().get_queryset(request)
        accounts = self.accounts(request)
        return rows if accounts is None else rows.filter(**{f"{self.account_field}__in": accounts})


class AccountFilter(admin.RelatedFieldListFilter):
    """The accounts to choose from: not even the names of others."""

    def field_choices(
        self, field: Field[Any, Any], request: HttpRequest, model_admin: admin.ModelAdmin[Any]
    ) -> Any:
        """The user's accounts."""
        accounts = selectors.viewable_accounts(cast("Any", request.user))
        within = {} if accounts is None else {"pk__in": accounts}
        return field.get_choices(include_blank=False, ordering=("pk",), limit_choices_to=within)


# A filter by account, as `list_filter` takes it.
BY_ACCOUNT = ("account", AccountFilter)
