"""Models whose changes are events: the row and its event are one transaction."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from django.core.exceptions import ImproperlyConfigured
from django.db import models, router, transaction
from django.db.models.signals import post_delete, post_save, pre_delete

from realtime.conf import conf
from realtime.feeds import ModelFeed
from realtime.log import Action
from realtime.publishing import publish_entries
from realtime.rereading import reread

ModelType = TypeVar("ModelType", bound=models.Model)

_AS_IT_WAS = "_realtime_as_it_was"


class WrongDatabase(ImproperlyConfigured):
    """A published model can be written only on the database that carries the stream."""


class PublishedManager(models.Manager[ModelType]):
    """The manager through which every write of a published model goes."""


class PublishedModel(models.Model):
    """Base of models whose saves and deletes are published, each in its own transaction.

    An event holds the row as the database has it after the write, not as the caller's instance
    has it. A failing serializer fails the save.
    """

    objects: models.Manager[Any] = PublishedManager()

    class Meta:
        abstract = True
        base_manager_name = "objects"

    def save(
        self,
        *,
        force_insert: Any = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Iterable[str] | None = None,
    ) -> None:
        """Save the row and its event in one transaction; raises WrongDatabase elsewhere."""
        alias = using or router.db_for_write(type(self), instance=self)
        with _stream_transaction(alias):
            super().save(
                force_insert=force_insert,
                force_update=force_update,
                using=alias,
                update_fields=update_fields,
            )

    def delete(
        self, using: str | None = None, keep_parents: bool = False
    ) -> tuple[int, dict[str, int]]:
        """Delete the row and publish that, in one transaction; raises WrongDatabase elsewhere."""
        alias = using or router.db_for_write(type(self), instance=self)
        with _stream_transaction(alias):
            return super().delete(using=alias, keep_parents=keep_parents)


def connect(feed: ModelFeed) -> None:
    """Publish every save and delete of the feed's model; called by `register`."""
    model = feed.model
    if not issubclass(model, PublishedModel):
        raise ImproperlyConfigured(
            f"{type(feed).__qualname__}: {model._meta.label} has to be a PublishedModel, "
            "or its saves and their events are not one transaction"
        )

    def publish_saved(
        instance: models.Model, created: bool, raw: bool, using: str, **_: Any
    ) -> None:
        # Fixtures are no changes: `resync` publishes what `loaddata` brought.
        if not raw:
            _require_stream_database(using)
            _publish_row(feed, reread(instance, using=using), created=created)

    def lock_and_keep(instance: models.Model, using: str, **_: Any) -> None:
        _require_stream_database(using)
        setattr(instance, _AS_IT_WAS, reread(instance, using=using, lock=True))

    def publish_deleted(instance: models.Model, using: str, **_: Any) -> None:
        row = instance.__dict__.pop(_AS_IT_WAS, None)
        # Another transaction deleted it first, and has published that.
        if row is not None:
            entry = feed.entry(feed.data(row), action=Action.DELETED, live=False)
            publish_entries([entry])

    label = f"realtime.{feed.name}"
    post_save.connect(publish_saved, sender=model, weak=False, dispatch_uid=f"{label}.saved")
    pre_delete.connect(lock_and_keep, sender=model, weak=False, dispatch_uid=f"{label}.locked")
    post_delete.connect(publish_deleted, sender=model, weak=False, dispatch_uid=f"{label}.deleted")


def _publish_row(feed: ModelFeed, row: models.Model | None, *, created: bool) -> None:
    if row is None:
        return
    live = feed.is_live(row)
    action = Action.CREATED if created else Action.UPDATED
    entry = feed.entry(feed.data(row), action=action if live else Action.CLOSED, live=live)
    publish_entries([entry])


def _stream_transaction(alias: str) -> transaction.Atomic:
    _require_stream_database(alias)
    # Without a savepoint, like Django's own save: nothing here is to be undone alone.
    return transaction.atomic(using=alias, savepoint=False)


def _require_stream_database(alias: str) -> None:
    if alias != conf().database:
        raise WrongDatabase(
            f"published models are written on {conf().database!r}, not on {alias!r}: one database "
            "carries the stream (REALTIME_DATABASE)"
        )
