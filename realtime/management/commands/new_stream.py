"""`new_stream`: gives the stream a new identity; a step of every restore from a backup."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from realtime import log


class Command(BaseCommand):
    """Makes every client start afresh."""

    help = (
        "Give the stream a new identity, so that every client takes a fresh snapshot. Run it after "
        "each restore: clients may have seen events that the backup does not hold."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the new identity and print it."""
        self.stdout.write(log.new_stream())
