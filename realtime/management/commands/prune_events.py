"""`prune_events`: removes events beyond the history that the settings keep."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from realtime import log

BATCH_EVENTS = 5000


class Command(BaseCommand):
    """Prunes until nothing is left to prune; servers do the same in small batches."""

    help = "Remove events beyond REALTIME_HISTORY_EVENTS and REALTIME_HISTORY_HOURS."

    def handle(self, *args: Any, **options: Any) -> None:
        """Prune in batches, so that no writer waits long."""
        before = log.position()
        removed = 0
        while True:
            floor = log.position().floor
            removed += log.prune(batch=BATCH_EVENTS)
            after = log.position()
            if after.floor == floor:
                break
        self.stdout.write(
            f"{removed} events removed; replays start at {after.floor} "
            f"(before: {before.floor}), the newest is {after.head}"
        )
