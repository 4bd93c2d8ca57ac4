"""Writing to the log and reading from it, on either database."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from django.db import transaction

from realtime import log
from realtime.log import Action, Entry, LoggedEvent
from realtime.models import Event, Stream

PAGE_EVENTS = 10_000


def entry(
    key: str = "BTC",
    *,
    feed: str = "price",
    action: Action = Action.UPDATED,
    live: bool = True,
    data: Mapping[str, Any] | None = None,
    filter_fields: tuple[str, ...] = (),
) -> Entry:
    """One entry that needs no registered feed."""
    text = json.dumps({"instrument": key} if data is None else data)
    return Entry(feed, key, action, live, text, filter_fields)


def number_all() -> list[LoggedEvent]:
    """Give every committed event its number, as a relay does; nothing to do on SQLite."""
    numbered: list[LoggedEvent] = []
    while log.has_unnumbered():
        numbered += log.number(PAGE_EVENTS)[1]
    return numbered


def append(*entries: Entry) -> list[LoggedEvent]:
    """Append and number `entries`, and return their events."""
    before = log.position().head
    log.append(entries)
    number_all()
    return log.read(before, PAGE_EVENTS)


class _Undone(Exception):
    """Rolls a transaction back."""


@contextlib.contextmanager
def rolled_back() -> Iterator[None]:
    """A transaction, or a savepoint in one, of which nothing stays."""
    with contextlib.suppress(_Undone), transaction.atomic():
        yield
        raise _Undone


def empty_log() -> None:
    """No event and no stream, as `TRUNCATE` leaves them."""
    Event.objects.all().delete()
    Stream.objects.all().delete()


def published(after: int = 0) -> list[tuple[str, str, dict[str, Any]]]:
    """Every event in the log after an id: action, key and data."""
    rows = Event.objects.filter(id__gt=after).order_by("id")
    return [(row.action, row.key, json.loads(row.data)) for row in rows]
