"""Times as messages carry them."""

from __future__ import annotations

from datetime import datetime

from tests.e2e.support.clients import Message


def seconds_between(one: Message, other: Message) -> float:
    """By the server's clock, which a busy test process does not delay."""
    moments = [datetime.fromisoformat(message["timestamp"]) for message in (one, other)]
    return (moments[1] - moments[0]).total_seconds()
