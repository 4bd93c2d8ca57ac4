"""What the soak's desk does: more at once than a socket takes from a client that does not read."""

from __future__ import annotations

from django.db import connection

from tests.e2e.support.actions import publish_logs_at_once


def flood(*, count: int, characters: int) -> None:
    """Publish long lines, on a fresh connection: a fault may have ended the last."""
    connection.close()
    publish_logs_at_once(count=count, characters=characters)
