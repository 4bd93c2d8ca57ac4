"""What a test can have done in another process; only the desk's worker imports this."""

from __future__ import annotations

from django.db import transaction

from realtime.system_log import publish_log


def publish_logs(*, messages: list[str]) -> None:
    """Publish lines of the system log, each in a transaction of its own."""
    for message in messages:
        publish_log(level="INFO", message=message, module="tests")


def publish_logs_at_once(*, count: int, characters: int) -> None:
    """Publish many long lines in one transaction."""
    with transaction.atomic():
        for number in range(count):
            publish_log(level="INFO", message=f"{number:0{characters}}", module="tests")
