"""`broadcast`: publishes test events, from any process, with or without Redis."""

from __future__ import annotations

from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError, CommandParser

from realtime import relay
from realtime.broadcasting import MODULE, publish_tests
from realtime.feeds import Feed, feeds, publish
from realtime.log import Action
from realtime.system_log import LEVELS, publish_log

DRAIN_SECONDS = 10.0


class Command(BaseCommand):
    """Publishes one event, a log line, or one test event of each feed."""

    help = (
        "Publish to every connected client: one event (--feed NAME --data JSON), a log line "
        "(--log LEVEL TEXT), or one test event of each feed (--test)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """What to publish: one of three."""
        chosen = parser.add_mutually_exclusive_group(required=True)
        chosen.add_argument("--feed", help="the feed's name; needs --data")
        chosen.add_argument("--log", nargs=2, metavar=("LEVEL", "TEXT"), help="a log line")
        chosen.add_argument("--test", action="store_true", help="one test event of each feed")
        parser.add_argument("--data", help="the message data, a JSON object")
        parser.add_argument(
            "--action",
            default=Action.UPDATED.value,
            choices=[action.value for action in Action if action is not Action.LEFT],
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Publish, and hand the events on before returning."""
        if options["data"] is not None and not options["feed"]:
            raise CommandError("--data needs --feed.")
        if options["feed"]:
            self._publish_one(options["feed"], options["data"], options["action"])
        elif options["log"]:
            self._publish_log(*options["log"])
        else:
            for name, event in publish_tests():
                self._say(name, event)
        if not relay.drain(deadline_seconds=DRAIN_SECONDS):
            self.stderr.write("Committed; the servers will find it at their next look at the log.")

    def _publish_one(self, name: str, text: str | None, action: str) -> None:
        feed = feeds().get(name)
        if feed is None:
            raise CommandError(f"There is no feed {name!r}; there are: {', '.join(feeds())}.")
        if text is None:
            raise CommandError("--feed needs --data, a JSON object.")
        try:
            event = publish(name, _parse(text, feed), action=action)
        except ValueError as error:
            raise CommandError(f"--data cannot be published: {error}.") from None
        self._say(name, event)

    def _publish_log(self, level: str, text: str) -> None:
        if level.upper() not in LEVELS:
            raise CommandError(f"{level!r} is not a level; there are: {', '.join(LEVELS)}.")
        event = publish_log(level=level.upper(), message=text, module=MODULE)
        self._say("system_log", event)

    def _say(self, name: str, event: int) -> None:
        self.stdout.write(f"{name}: event {event}")


def _parse(text: str, feed: Feed) -> dict[str, Any]:
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise CommandError(f"--data is not JSON: {error}") from None
    if not isinstance(data, dict):
        raise CommandError("--data has to be a JSON object.")
    if feed.key_field is not None and not data.get(feed.key_field):
        raise CommandError(f"--data lacks {feed.key_field!r}, the key of {feed.name}.")
    return data
