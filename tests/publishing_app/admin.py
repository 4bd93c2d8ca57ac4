"""The admin of things, with an action of its own."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest

from .models import Shelf, Thing


@admin.action(description="Double the amount")
def double(model_admin: Any, request: HttpRequest, rows: QuerySet[Thing]) -> None:
    """What many an action does: an update of what was chosen."""
    rows.update(amount=F("amount") * 2)


@admin.register(Thing)
class ThingAdmin(admin.ModelAdmin):
    """Rows that are changed in forms, in the list and by actions."""

    list_display = ("name", "amount")
    list_editable = ("amount",)
    fields = ("name", "amount")
    actions = (double,)


admin.site.register(Shelf)
