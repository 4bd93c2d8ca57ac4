"""`resync`: publishes what changed without an event."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from realtime import relay
from realtime.feeds import model_feeds
from realtime.resyncing import resync_feed

DRAIN_SECONDS = 30.0


class Command(BaseCommand):
    """Compares every row with its newest event."""

    help = (
        "Publish what changed without an event: by raw SQL, loaddata, a new version of a feed's "
        "data, or before realtime was installed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Which feeds, and whether only to count."""
        parser.add_argument("feeds", nargs="*", help="the feeds; all when none is named")
        parser.add_argument("--dry-run", action="store_true", help="count, publish nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Resync each feed and say what was found."""
        known = {feed.name: feed for feed in model_feeds()}
        names = options["feeds"] or list(known)
        for name in names:
            if name not in known:
                raise CommandError(f"{name!r} follows no model; there are: {', '.join(known)}.")
        verb = "to publish" if options["dry_run"] else "published"
        for name in names:
            found = resync_feed(known[name], dry_run=options["dry_run"])
            self.stdout.write(
                f"{name}: {found.rows} rows, {found.published} {verb}, {found.deleted} gone"
            )
        relay.drain(deadline_seconds=DRAIN_SECONDS)
