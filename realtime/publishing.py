"""The one place that emits: entries go to the log, and the relay is woken after the commit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import orjson
from django.db import transaction

from realtime import failpoints, log, relay
from realtime.conf import conf
from realtime.log import Entry


@dataclass(frozen=True, slots=True)
class PublishedEvent:
    """An event as it was appended; `event` is the id that the message on the wire names."""

    event: int
    entry: Entry

    @property
    def data(self) -> Mapping[str, Any]:
        """The message data, as clients get it."""
        data: Mapping[str, Any] = orjson.loads(self.entry.data)
        return data


_collected: ContextVar[list[PublishedEvent] | None] = ContextVar("collected", default=None)


def publish_entries(entries: Sequence[Entry]) -> list[int]:
    """Append `entries` in the caller's transaction and return the ids of their events.

    After the commit the relay is woken; that never waits and never raises. A rollback leaves
    nothing.
    """
    ids = log.append(entries)
    collected = _collected.get()
    if collected is not None:
        collected += map(PublishedEvent, ids, entries)
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


@contextmanager
def collect_published() -> Iterator[list[PublishedEvent]]:
    """What the block publishes in this thread, in its order, without a query.

    Filled as it happens: whoever answers with it does so after the commit. What a rollback undid
    is in it, too.
    """
    collected: list[PublishedEvent] = []
    outer = _collected.set(collected)
    try:
        yield collected
    finally:
        _collected.reset(outer)


def _wake() -> None:
    failpoints.reach("after_commit")
    relay.wake()
