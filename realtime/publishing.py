"""The one place that emits: entries go to the log, and the relay is woken after the commit."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from realtime import failpoints, log, relay
from realtime.conf import conf
from realtime.log import Entry


def publish_entries(entries: Sequence[Entry]) -> list[int]:
    """Append `entries` in the caller's transaction and return the ids of their events.

    After the commit the relay is woken; that never waits and never raises. A rollback leaves
    nothing.
    """
    ids = log.append(entries)
    transaction.on_commit(_wake, using=conf().database, robust=True)
    return ids


def publish_in_passing(entries: Sequence[Entry]) -> None:
    """Append `entries` in a transaction of their own; starts no relay for them.

    A relay that runs is woken; without one, servers find the events at their next look at the log.
    """
    log.append(entries)
    running = relay.current()
    if running is not None:
        running.wake()


def _wake() -> None:
    failpoints.reach("after_commit")
    relay.wake()
