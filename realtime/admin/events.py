"""Events to read: by feed, key, action and time; each can be published again as it is now."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from realtime import log
from realtime.admin.broadcasts import BroadcastView
from realtime.admin.lists import FastAdmin, Period, ReadOnly
from realtime.admin.pages import go_back, show_page
from realtime.admin.tools import Tool
from realtime.admin.visible import visible_events
from realtime.conf import conf
from realtime.feeds import feeds
from realtime.log import Action
from realtime.models import Event
from realtime.republishing import NothingToPublish, publish_again

PUBLISH_EVENT = "realtime.publish_event"
MOST_AT_ONCE = 100
SHORTEST_KEY_THAT_IS_CUT = 40


class FeedFilter(admin.SimpleListFilter):
    """The feeds that are registered; asking the table would read it to its end."""

    title = "feed"
    parameter_name = "feed"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Every feed."""
        return [(name, name) for name in feeds()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The events of one feed."""
        name = self.value()
        if name is None:
            return queryset
        feed = feeds().get(name)
        if feed is None:
            return queryset.none()
        rows = queryset.filter(feed=name)
        # The index by key has these in order.
        return rows.filter(key="") if feed.key_field is None else rows


class ActionFilter(admin.SimpleListFilter):
    """What a client does with an event."""

    title = "action"
    parameter_name = "action_is"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Every action that the log can hold."""
        return [(action.value, action.value) for action in Action if action is not Action.LEFT]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The events of one action."""
        value = self.value()
        if value is None:
            return queryset
        return queryset.filter(action=value) if value in set(Action) else queryset.none()


class LogAdmin(ReadOnly, FastAdmin):
    """Rows of the event table: their dates are found by their ids."""

    date_hierarchy = "created_at"
    ordering = ("-id",)
    sortable_by = ()

    def period(self, request: HttpRequest) -> Period | None:
        """The times of the first and the last event, whoever may see them."""
        ends = [
            Event.objects.order_by(order).values_list("created_at", flat=True).first()
            for order in ("id", "-id")
        ]
        return None if ends[0] is None or ends[1] is None else (ends[0], ends[1])

    def narrow(self, rows: QuerySet[Any], since: datetime, until: datetime) -> QuerySet[Any]:
        """By ids: there is no index on times."""
        first, end = log.ids_between(since, until)
        return rows.filter(id__gte=first, id__lt=end)

    def may_publish(self, request: HttpRequest) -> bool:
        """Whether the user may publish by hand."""
        return bool(request.user.has_perm(PUBLISH_EVENT))

    def list_tools(self, request: HttpRequest) -> list[Tool]:
        """The test broadcast, for whoever may."""
        if not self.may_publish(request):
            return []
        url = reverse(f"{self.admin_site.name}:realtime_event_broadcast")
        return [Tool("Test broadcast", url)]

    @admin.display(description="time")
    def moment(self, event: Event) -> str:
        """When it was written, UTC, with milliseconds."""
        return f"{event.created_at:%Y-%m-%d %H:%M:%S}.{event.created_at.microsecond // 1000:03}"


@admin.register(Event)
class EventAdmin(LogAdmin):
    """The log as it is: events are read, never changed."""

    list_display = ("number", "moment", "feed", "short_key", "action", "live")
    list_display_links = ("number", "moment")
    list_filter = (FeedFilter, ActionFilter)
    search_fields = ("key",)
    search_help_text = "A whole key (a position's id, an account), or an event's number."
    fields = ("seq", "id", "moment", "feed", "key", "action", "live", "pretty_was", "pretty_data")
    actions = ("publish_selected_again",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What an object was before may be another's business: the stream does not tell it."""
        may_see_all = bool(getattr(request.user, "is_superuser", False))
        return [name for name in self.fields if may_see_all or name != "pretty_was"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Event]:
        """What the stream would show the user."""
        return visible_events(super().get_queryset(request), request)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By the whole key, which an index finds, or by a number."""
        words = search_term.strip()
        if not words:
            return queryset, False
        found = Q(feed__in=list(feeds()), key=words)
        if words.isascii() and words.isdecimal() and len(words) < 19:
            found |= Q(pk=int(words)) | Q(seq=int(words))
        return queryset.filter(found), False

    def get_urls(self) -> list[URLPattern]:
        """Beside Django's own: publishing again, and the test broadcast."""
        ours = [
            path(
                "broadcast/",
                self.admin_site.admin_view(BroadcastView(self)),
                name="realtime_event_broadcast",
            ),
            path(
                "<int:pk>/publish-again/",
                self.admin_site.admin_view(self.publish_again_view),
                name="realtime_event_publish_again",
            ),
        ]
        return [*ours, *super().get_urls()]

    def has_publish_permission(self, request: HttpRequest) -> bool:
        """What Django asks for the action."""
        return self.may_publish(request)

    def object_tools(self, request: HttpRequest, obj: Event) -> list[Tool]:
        """To publish it again."""
        if not self.may_publish(request):
            return []
        url = reverse(f"{self.admin_site.name}:realtime_event_publish_again", args=[obj.pk])
        return [Tool("Publish again", url)]

    @admin.action(description="Publish selected events again", permissions=["publish"])
    def publish_selected_again(self, request: HttpRequest, queryset: QuerySet[Event]) -> None:
        """Each object once, as it is now, in the order of its events."""
        chosen = list(queryset.order_by("id")[: MOST_AT_ONCE + 1])
        if len(chosen) > MOST_AT_ONCE:
            sentence = f"Publish at most {MOST_AT_ONCE} events at a time."
            self.message_user(request, sentence, messages.ERROR)
            return
        objects = {(event.feed, event.key or event.pk): event for event in chosen}
        for event in objects.values():
            self._publish_again(request, event)

    def publish_again_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Asks, then publishes the object of one event as it is now."""
        event = self.get_object(request, str(pk)) if self.has_view_permission(request) else None
        if event is None and self.has_view_permission(request):
            raise Http404(f"There is no event {pk}.")
        if event is None or not self.may_publish(request):
            raise PermissionDenied
        if request.method == "POST":
            self._publish_again(request, event)
            return go_back(self, request)
        return show_page(
            self,
            request,
            "realtime/admin/publish_again.html",
            title=f"Publish event {event.seq or event.pk} again",
            event=event,
            data=pretty(event.data),
        )

    def _publish_again(self, request: HttpRequest, event: Event) -> None:
        try:
            with transaction.atomic(using=conf().database):
                new = publish_again(feed=event.feed, key=event.key, data=event.data)
                self.log_change(request, event, f"Published again as event {new}.")
        except NothingToPublish as error:
            self.message_user(request, f"Not published: {error}", messages.ERROR)
        else:
            name = f"{event.feed} {event.key}".strip()
            self.message_user(request, f"{name} is published again, as event {new}.")

    @admin.display(description="seq")
    def number(self, event: Event) -> str:
        """Its number, once the relay has given it one."""
        return "not yet" if event.seq is None else str(event.seq)

    @admin.display(description="key")
    def short_key(self, event: Event) -> SafeString | str:
        """The key, a long one cut."""
        if len(event.key) < SHORTEST_KEY_THAT_IS_CUT:
            return event.key
        short = f"{event.key[: SHORTEST_KEY_THAT_IS_CUT - 1]}…"
        return format_html('<span title="{}">{}</span>', event.key, short)

    @admin.display(description="data")
    def pretty_data(self, event: Event) -> SafeString:
        """The message's data."""
        return pretty(event.data)

    @admin.display(description="filter values before")
    def pretty_was(self, event: Event) -> SafeString | str:
        """What a filtered client was told that it left."""
        return "–" if event.was is None else pretty(event.was)


def pretty(text: str) -> SafeString:
    """JSON text on lines of its own."""
    shown = orjson.dumps(orjson.loads(text), option=orjson.OPT_INDENT_2).decode()
    return format_html('<pre class="json">{}</pre>', shown)
