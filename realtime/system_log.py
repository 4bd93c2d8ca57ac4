"""The feed of system logs: messages without a key, published by call."""

from __future__ import annotations

from collections.abc import Sequence

from realtime.feeds import Feed, publish, register
from realtime.log import Action, Entry
from realtime.publishing import publish_in_passing
from realtime.timestamps import isoformat, now

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


@register
class SystemLogFeed(Feed):
    """What the application has to say."""

    name = "system_log"
    filter_fields = ("level", "module")
    permission = "realtime.view_system_log"
    data_schema = {
        "type": "object",
        "required": ["level", "module", "message", "timestamp"],
        "properties": {
            "level": {"type": "string", "enum": list(LEVELS)},
            "module": {"type": "string"},
            "message": {"type": "string"},
            "timestamp": {"type": "string", "format": "date-time"},
        },
    }


def publish_log(*, level: str, message: str, module: str) -> int:
    """Publish one line and return its event's id; raises ValueError for an unknown level."""
    if level not in LEVELS:
        raise ValueError(f"{level!r} is not a level; there are: {', '.join(LEVELS)}")
    return publish(
        "system_log",
        {"level": level, "module": module, "message": message, "timestamp": isoformat(now())},
    )


def publish_lines(lines: Sequence[str]) -> None:
    """Publish ready lines, each the feed's data as JSON text, in one transaction of their own."""
    name, fields = SystemLogFeed.name, SystemLogFeed.filter_fields
    publish_in_passing([Entry(name, "", Action.CREATED, True, line, fields) for line in lines])
