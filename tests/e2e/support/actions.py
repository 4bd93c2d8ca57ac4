"""What a test can have done in another process; only the desk's worker imports this."""

from __future__ import annotations

from django.db import transaction

from realtime.system_log import publish_log
from trading import services


def publish_logs(*, messages: list[str]) -> None:
    """Publish lines of the system log, each in a transaction of its own."""
    for message in messages:
        publish_log(level="INFO", message=message, module="tests")


def publish_logs_at_once(*, count: int, characters: int) -> None:
    """Publish many long lines in one transaction."""
    with transaction.atomic():
        for number in range(count):
            publish_log(level="INFO", message=f"{number:0{characters}}", module="tests")


def open_position(**changes: str) -> str:
    """Open a position by the service; returns its key."""
    values = {
        "symbol": "BTC/USDT",
        "spot_entry_price": "45000",
        "perp_entry_price": "45010.5",
        "spot_quantity": "0.1",
        "perp_quantity": "0.1",
    }
    return str(services.open_position(**values | changes).pk)
