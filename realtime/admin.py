"""Admin of the layer: events to read, tokens to name and revoke."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest

from realtime.models import ApiToken, Event

if TYPE_CHECKING:
    AnyEventAdmin = admin.ModelAdmin[Event]
    AnyTokenAdmin = admin.ModelAdmin[ApiToken]
else:
    # Django's own class takes no type arguments.
    AnyEventAdmin = AnyTokenAdmin = admin.ModelAdmin


@admin.register(Event)
class EventAdmin(AnyEventAdmin):
    """The log as it is: events are read, never changed."""

    list_display = ("seq", "feed", "key", "action", "live", "created_at")
    list_filter = ("feed", "action")
    search_fields = ("key",)
    ordering = ("-id",)
    # A million rows are not counted to show a hundred.
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Events come from changes."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Events are what happened."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The history is pruned by its settings, without holes."""
        return False


@admin.register(ApiToken)
class ApiTokenAdmin(AnyTokenAdmin):
    """Tokens: named and revoked here, issued by `create_token` or `POST /api/token/`."""

    list_display = ("token_key", "user", "name", "created", "expiry", "last_used")
    list_select_related = ("user",)
    search_fields = ("name", "user__username", "token_key")
    # Only a digest is stored, and nobody needs to see that.
    fields = ("token_key", "user", "name", "created", "expiry", "last_used")
    readonly_fields = ("token_key", "user", "created", "last_used")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A key is shown once, by what made it: a form could not."""
        return False
