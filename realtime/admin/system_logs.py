"""System logs to read: by level, module and text."""

from __future__ import annotations

from typing import Any

import orjson
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from realtime.admin.events import LogAdmin, pretty
from realtime.admin.json_text import JsonText, contains, has_value
from realtime.admin.visible import visible_events
from realtime.models import SystemLogLine
from realtime.system_log import LEVELS, SystemLogFeed

FEED = SystemLogFeed.name
# The modules to choose from are those of the newest lines.
LINES_LOOKED_AT = 2000
LONGEST_SHOWN = 200
SEARCHED = ("message", "exception", "extra")
STYLES = {"WARNING": "warn", "ERROR": "loss", "CRITICAL": "loss"}


class LevelFilter(admin.SimpleListFilter):
    """A level, or all from one on."""

    title = "level"
    parameter_name = "level"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Every level; `+` for what is worse, too."""
        return [("WARNING+", "WARNING and worse"), *((level, level) for level in LEVELS)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The lines of that level."""
        value = self.value()
        if value is None:
            return queryset
        least = value.removesuffix("+")
        if least not in LEVELS:
            return queryset.none()
        wanted = LEVELS[LEVELS.index(least) :] if value.endswith("+") else (least,)
        return queryset.filter(has_value("level", wanted))


class ModuleFilter(admin.SimpleListFilter):
    """The modules that have spoken lately."""

    title = "module"
    parameter_name = "module"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Those of the newest lines, and the one that is chosen."""
        newest = model_admin.get_queryset(request).annotate(module=JsonText("module"))
        modules = newest.order_by("-id").values_list("module", flat=True)[:LINES_LOOKED_AT]
        names = {str(orjson.loads(module)) for module in modules if module is not None}
        chosen = request.GET.get(self.parameter_name)
        return [(name, name) for name in sorted(names | ({chosen} if chosen else set()))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The lines of one module."""
        value = self.value()
        return queryset if value is None else queryset.filter(has_value("module", [value]))


@admin.register(SystemLogLine)
class SystemLogAdmin(LogAdmin):
    """What the application said."""

    list_display = ("moment", "level", "module", "shown_message")
    list_display_links = ("moment", "shown_message")
    list_filter = (LevelFilter, ModuleFilter)
    search_fields = ("data",)
    search_help_text = "Words of the message or of its exception."
    fields = ("moment", "level", "module", "message", "exception", "pretty_data")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may see the feed."""
        permission = SystemLogFeed.permission
        return permission is None or bool(request.user.has_perm(permission))

    def has_module_permission(self, request: HttpRequest) -> bool:
        """The same: the model has no permissions of its own."""
        return self.has_view_permission(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[SystemLogLine]:
        """The lines, in the order that the index by key has."""
        lines = super().get_queryset(request).filter(feed=FEED, key="")
        return visible_events(lines, request)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Lines that contain the words, one after the other."""
        words = search_term.strip()
        return (queryset.filter(contains(SEARCHED, words)) if words else queryset), False

    @admin.display
    def level(self, line: SystemLogLine) -> SafeString | str:
        """The level; what is wrong stands out."""
        name = str(_data(line).get("level", "–"))
        return format_html('<span class="{}">{}</span>', STYLES.get(name, ""), name)

    @admin.display
    def module(self, line: SystemLogLine) -> str:
        """Who said it."""
        return str(_data(line).get("module", "–"))

    @admin.display(description="message")
    def shown_message(self, line: SystemLogLine) -> str:
        """The message, a long one cut."""
        text = self.message(line)
        return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 1]}…"

    @admin.display
    def message(self, line: SystemLogLine) -> str:
        """The whole message."""
        return str(_data(line).get("message", ""))

    @admin.display
    def exception(self, line: SystemLogLine) -> SafeString | str:
        """The traceback, where there was one."""
        text = _data(line).get("exception")
        return format_html('<pre class="json">{}</pre>', text) if text else "–"

    @admin.display(description="data")
    def pretty_data(self, line: SystemLogLine) -> SafeString:
        """Everything that clients were told."""
        return pretty(line.data)


def _data(line: SystemLogLine) -> dict[str, Any]:
    data: dict[str, Any] = orjson.loads(line.data)
    return data
