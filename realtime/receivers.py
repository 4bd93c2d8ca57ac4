"""Django's signals of published models: inside the writer's transaction they publish."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.db import models
from django.db.models.signals import post_delete, post_save, pre_delete

from realtime.changes import (
    concerns,
    deleted_entry,
    publish_saved,
    require_stream_database,
)
from realtime.feeds import ModelFeed
from realtime.publishing import publish_entries
from realtime.rereading import reread

_AS_IT_WAS = "_realtime_as_it_was"


def connect(feed: ModelFeed) -> None:
    """Publish every save and delete that concerns the feed's model."""
    for model in apps.get_models(include_auto_created=True):
        if concerns(feed, model):
            post_save.connect(on_saved, sender=model, dispatch_uid="realtime.saved")
        # A child's parents are deleted with signals of their own.
        if model._meta.concrete_model is feed.model._meta.concrete_model:
            _connect_deletes(feed, model)


def on_saved(
    sender: type[models.Model],
    instance: models.Model,
    created: bool,
    raw: bool,
    using: str,
    **_: Any,
) -> None:
    """Publish a saved row. Fixtures are no changes: `resync` publishes what `loaddata` brought."""
    if not raw:
        require_stream_database(using)
        publish_saved(sender, instance.pk, using=using, created=created)


def _connect_deletes(feed: ModelFeed, model: type[models.Model]) -> None:
    kept = f"{_AS_IT_WAS}_{feed.name}"

    def lock_and_keep(instance: models.Model, using: str, **_: Any) -> None:
        require_stream_database(using)
        setattr(instance, kept, reread(feed.model, instance.pk, using=using, lock=True))

    def publish_deleted(instance: models.Model, **_: Any) -> None:
        row = instance.__dict__.pop(kept, None)
        # Another transaction deleted it first, and has published that.
        if row is not None:
            publish_entries([deleted_entry(feed, row)])

    label = f"realtime.{feed.name}"
    pre_delete.connect(lock_and_keep, sender=model, weak=False, dispatch_uid=f"{label}.locked")
    post_delete.connect(publish_deleted, sender=model, weak=False, dispatch_uid=f"{label}.deleted")
