"""CSV of a list, by date: the page that asks for the days, and the file."""

from __future__ import annotations

from datetime import date
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse

from realtime.admin.pages import mistakes, show_page
from realtime.admin.tools import Tool
from trading.admin.scope import ScopedAdmin
from trading.exports import EXPORTS, csv_response

FILE = "file"


class DaysForm(forms.Form):
    """From which day to which, both included."""

    since = forms.DateField(
        label="From", required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    until = forms.DateField(
        label="To",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="Days in UTC, both included. Left empty, there is no limit.",
    )

    def clean(self) -> dict[str, Any]:
        """Refuse a period that ends before it begins."""
        days: dict[str, date | None] = self.cleaned_data
        since, until = days.get("since"), days.get("until")
        if since and until and until < since:
            self.add_error("until", "It lies before the first day.")
        return days


class ExportingAdmin(ScopedAdmin):
    """A list whose rows can be had as a file."""

    export_name: ClassVar[str]

    def get_urls(self) -> list[URLPattern]:
        """Beside Django's own: the file."""
        view = self.admin_site.admin_view(self.export_view)
        return [path("export/", view, name=self._export_url_name), *super().get_urls()]

    def list_tools(self, request: HttpRequest) -> list[Tool]:
        """The file, for whoever may see the rows."""
        tools = super().list_tools(request)
        if self._may_export(request):
            url = reverse(f"{self.admin_site.name}:{self._export_url_name}")
            tools.append(Tool("Export CSV", url))
        return tools

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Asks for the days, then sends the rows of the user's accounts."""
        if not self._may_export(request):
            raise PermissionDenied
        form = DaysForm(request.GET if FILE in request.GET else None)
        if form.is_valid():
            days = form.cleaned_data
            return csv_response(
                self.export_name,
                accounts=self.accounts(request),
                since=days["since"],
                until=days["until"],
            )
        return show_page(
            self,
            request,
            "trading/admin/export.html",
            title=f"Export {self.opts.verbose_name_plural} as CSV",
            errors=list(mistakes(form)),
            form=form,
            dated_by=EXPORTS[self.export_name].dated_by.replace("_", " "),
        )

    @property
    def _export_url_name(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_export"

    def _may_export(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)
