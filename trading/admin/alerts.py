"""Alerts, to read: what people were told, and what did not go out."""

from __future__ import annotations

from django.contrib import admin

from realtime.admin.lists import ReadOnly
from trading.admin.scope import BY_ACCOUNT, ScopedAdmin
from trading.models import Alert


@admin.register(Alert)
class AlertAdmin(ReadOnly, ScopedAdmin):
    """The outbox, newest first; the watchers of the servers send from it."""

    list_display = (
        "created_at",
        "account_name",
        "kind",
        "channel",
        "state",
        "tries",
        "sent_at",
        "error",
    )
    list_filter = ("state", "kind", "channel", BY_ACCOUNT)
    ordering = ("-id",)
    sortable_by = ()
    list_select_related = ("account",)
