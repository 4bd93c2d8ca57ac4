"""Lists that open at once however many rows there are: nothing is counted or scanned to its end."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import Max, Min, Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.functional import cached_property

from realtime.admin.dates import DateLinks, date_links, shown_dates
from realtime.admin.tools import Tool

if TYPE_CHECKING:
    AnyAdmin = admin.ModelAdmin[Any]
    AnyPaginator = Paginator[Any]
else:
    # Django's own classes take no type arguments.
    AnyAdmin = admin.ModelAdmin
    AnyPaginator = Paginator

MOST_LISTED = 10_000

Period = tuple[datetime, datetime]


class BoundedPaginator(AnyPaginator):
    """Counts to 10,000 and lists no more: what lies behind is found by a filter or a date."""

    @cached_property
    def count(self) -> int:
        """How many rows there are, 10,000 at most."""
        rows = self.object_list
        assert isinstance(rows, QuerySet)
        return rows.order_by()[:MOST_LISTED].count()


class FastChangeList(ChangeList):
    """A list whose dates are links that look at no rows."""

    model_admin: FastAdmin

    def get_results(self, request: HttpRequest) -> None:
        """Read the page, and the first and the last date that links may lead to."""
        super().get_results(request)
        self.dates: DateLinks | None = None
        if self.date_hierarchy:
            assert isinstance(self.date_hierarchy, str)
            period = self.model_admin.period(request)
            self.dates = date_links(self, self.date_hierarchy, period)

    @property
    def is_cut(self) -> bool:
        """Whether more rows may match than are listed."""
        return self.result_count >= MOST_LISTED

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> QuerySet[Any]:
        """The rows, within the bounds that the model's admin knows for the dates chosen."""
        rows = super().get_queryset(request, *args, **kwargs)
        if self.date_hierarchy:
            assert isinstance(self.date_hierarchy, str)
            dates = shown_dates(self.params, self.date_hierarchy)
            if dates is not None:
                rows = self.model_admin.narrow(rows, *dates)
        return rows


class FastAdmin(AnyAdmin):
    """Lists without a full count, facets, or a look at every date; buttons beside their titles."""

    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 100
    change_list_template = "realtime/admin/change_list.html"
    change_form_template = "realtime/admin/change_form.html"

    class Media:
        css = {"all": ("realtime/admin.css",)}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """The list that counts no more than it shows."""
        return FastChangeList

    def period(self, request: HttpRequest) -> Period | None:
        """The first and the last date in the list; None when it is empty."""
        field = self.date_hierarchy
        bounds = self.get_queryset(request).aggregate(first=Min(field), last=Max(field))
        return (bounds["first"], bounds["last"]) if bounds["first"] else None

    def narrow(self, rows: QuerySet[Any], since: datetime, until: datetime) -> QuerySet[Any]:
        """`rows`, which are of this time, by something that an index finds faster."""
        return rows

    def list_tools(self, request: HttpRequest) -> list[Tool]:
        """The buttons beside the list's title."""
        return []

    def object_tools(self, request: HttpRequest, obj: Any) -> list[Tool]:
        """The buttons beside an object's title."""
        return []

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list with its buttons."""
        context = {"tools": self.list_tools(request), "most_listed": f"{MOST_LISTED:,}"}
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """An object's page with its buttons."""
        obj = kwargs.get("obj")
        context["tools"] = self.object_tools(request, obj) if obj is not None else []
        return super().render_change_form(request, context, *args, **kwargs)


class ReadOnly(AnyAdmin):
    """Rows that are read, and written elsewhere."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Never."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Never."""
        return False
