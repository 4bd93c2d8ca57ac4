"""Rows that changed become events: read again from the database, serialised by their feeds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import islice
from typing import Any, TypeVar

from django.core.exceptions import ImproperlyConfigured
from django.db import models

from realtime.conf import conf
from realtime.feeds import ModelFeed, model_feeds
from realtime.log import Action, Entry
from realtime.publishing import publish_entries
from realtime.rereading import reread, reread_many

CHUNK_ROWS = 500

Item = TypeVar("Item")


class WrongDatabase(ImproperlyConfigured):
    """A published model can be written only on the database that carries the stream."""


def require_stream_database(alias: str) -> None:
    """Raise WrongDatabase unless `alias` carries the stream."""
    if alias != conf().database:
        raise WrongDatabase(
            f"published models are written on {conf().database!r}, not on {alias!r}: one database "
            "carries the stream (REALTIME_DATABASE)"
        )


def concerns(feed: ModelFeed, model: type[models.Model]) -> bool:
    """Whether a write of `model` may change what `feed` shows.

    With multi-table inheritance a row has several tables: a child's save changes its parent's
    row, and a parent's may change what a child's feed shows.
    """
    ours, theirs = feed.model._meta.concrete_model, model._meta.concrete_model
    assert ours is not None
    assert theirs is not None
    return issubclass(theirs, ours) or issubclass(ours, theirs)


@cache
def feeds_of(model: type[models.Model]) -> tuple[ModelFeed, ...]:
    """The feeds that a write of `model` concerns; `register` clears the cache."""
    return tuple(feed for feed in model_feeds() if concerns(feed, model))


def publish_saved(model: type[models.Model], pk: Any, *, using: str, created: bool) -> None:
    """Publish the row that was just written, as the database has it, on every feed of it."""
    for feed in feeds_of(model):
        row = reread(feed.model, pk, using=using)
        if row is not None:
            publish_entries([saved_entry(feed, row, created=created)])


def publish_all_saved(
    model: type[models.Model], pks: Sequence[Any], *, using: str, created: bool
) -> None:
    """Publish many rows that were just written, in the order of `pks`."""
    for feed in model_feeds():
        if concerns(feed, model):
            for chunk in chunks(pks):
                rows = reread_many(feed.model, chunk, using=using)
                publish_entries([saved_entry(feed, row, created=created) for row in rows])


def saved_entry(feed: ModelFeed, row: models.Model, *, created: bool = False) -> Entry:
    """The entry of a row as it is now: `closed` when it is no longer live."""
    live = feed.is_live(row)
    action = Action.CREATED if created else Action.UPDATED
    return feed.entry(feed.data(row), action=action if live else Action.CLOSED, live=live)


def deleted_entry(feed: ModelFeed, row: models.Model) -> Entry:
    """The entry of a row as it was."""
    return feed.entry(feed.data(row), action=Action.DELETED, live=False)


def chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    """`items` in lists of at most 500: databases limit a statement's parameters."""
    rest = iter(items)
    while chunk := list(islice(rest, CHUNK_ROWS)):
        yield chunk
