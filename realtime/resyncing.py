"""Brings the log up to the rows: publishes what no event tells of.

Raw SQL, `loaddata`, a new version of a feed's data, rows from before the installation: whatever
changed without an event gets one, and so does every live key whose row is gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import orjson
from django.db import transaction

from realtime import log
from realtime.changes import chunks, saved_entry
from realtime.conf import conf
from realtime.feeds import ModelFeed
from realtime.log import Action, Entry, Newest
from realtime.publishing import publish_entries


@dataclass
class Resynced:
    """What one feed's resync found."""

    feed: str
    rows: int = 0
    published: int = 0
    deleted: int = 0


def resync_feed(feed: ModelFeed, *, dry_run: bool = False) -> Resynced:
    """Publish every row of `feed` that differs from its newest event; count only, if `dry_run`.

    What their keys name is locked while they are compared, 500 at a time, so that writers may go
    on.
    """
    found = Resynced(feed.name)
    started_at = log.newest_id()
    keys: set[str] = set()
    pks = list(
        feed.current_rows().using(conf().database).order_by("pk").values_list("pk", flat=True)
    )
    for chunk in chunks(pks):
        with transaction.atomic(using=conf().database):
            rows = feed.lock_current(chunk, using=conf().database)
            entries = [saved_entry(feed, row) for row in rows]
            keys.update(entry.key for entry in entries)
            changed = _changed(feed, entries)
            found.rows += len(entries)
            found.published += len(changed)
            if changed and not dry_run:
                publish_entries(changed)
    gone = [
        newest
        for newest in log.newest_live(feed.name, up_to_id=started_at)
        if newest.key not in keys
    ]
    found.deleted = len(gone)
    if gone and not dry_run:
        publish_entries([_deleted(feed, newest) for newest in gone])
    return found


def _changed(feed: ModelFeed, entries: Sequence[Entry]) -> list[Entry]:
    newest = log.newest(feed.name, [entry.key for entry in entries])
    return [entry for entry in entries if _differs(entry, newest.get(entry.key))]


def _differs(entry: Entry, newest: Newest | None) -> bool:
    if newest is None:
        # Late joiners never hear of an object that is no longer live.
        return entry.live
    return newest.live != entry.live or orjson.loads(newest.data) != orjson.loads(entry.data)


def _deleted(feed: ModelFeed, newest: Newest) -> Entry:
    return Entry(
        feed=feed.name,
        key=newest.key,
        action=Action.DELETED,
        live=False,
        data=newest.data,
        filter_fields=feed.filter_fields,
    )
