"""Publishes an object again as it is now, where a person asks for it."""

from __future__ import annotations

from typing import Any

import orjson
from django.db import transaction

from realtime import log
from realtime.changes import saved_entry
from realtime.conf import conf
from realtime.feeds import Feed, ModelFeed, feeds
from realtime.log import Action, Entry
from realtime.publishing import publish_entries


class NothingToPublish(Exception):
    """What the event tells of is no longer there; the message says what."""


def publish_again(*, feed: str, key: str, data: str) -> int:
    """Publish the object of an event, as it is now, and return the new event's id.

    The row of a model's feed is read under the lock that `resync` takes; another object is what
    its newest event says; a message without a key is repeated. Raises NothingToPublish.
    """
    known = feeds().get(feed)
    if known is None:
        raise NothingToPublish(f"There is no feed {feed!r} any more.")
    with transaction.atomic(using=conf().database):
        if isinstance(known, ModelFeed):
            entry = saved_entry(known, _lock_row(known, key))
        else:
            entry = _repeated(known, key, data)
        return publish_entries([entry])[0]


def _lock_row(feed: ModelFeed, key: str) -> Any:
    listed = feed.rows_of(key).using(conf().database)
    pks = [row.pk for row in listed.iterator() if feed.key(feed.data(row)) == key]
    locked = feed.lock_current(pks, using=conf().database) if pks else []
    row = next((row for row in locked if feed.key(feed.data(row)) == key), None)
    if row is None:
        raise NothingToPublish(f"{feed.name} has no object {key!r} any more.")
    return row


def _repeated(feed: Feed, key: str, data: str) -> Entry:
    if feed.key_field is None:
        return feed.entry(orjson.loads(data), action=Action.CREATED, live=True)
    newest = log.newest(feed.name, [key]).get(key)
    if newest is None or not newest.live:
        raise NothingToPublish(f"{feed.name} has no object {key!r} any more.")
    return feed.entry(orjson.loads(newest.data), action=Action.UPDATED, live=True)
