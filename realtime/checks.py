"""System checks: what cannot work is said at start-up, with the remedy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.db.models import CASCADE, DO_NOTHING, PROTECT, RESTRICT, Model

from realtime.conf import conf
from realtime.feeds import feeds, model_feeds
from realtime.published import PublishedModel, PublishedQuerySet

# Deletes of what a row points to that leave the row alone, or delete it with its own signals.
KNOWN_ON_DELETE = (CASCADE, DO_NOTHING, PROTECT, RESTRICT)


RUNSERVER_APPS = frozenset({"channels", "daphne", "django.contrib.staticfiles"})


def check_settings(app_configs: Sequence[Any] | None, **_: Any) -> list[CheckMessage]:
    """The settings name a database and feeds that exist; published models publish all writes."""
    return [*_check_database(), *_check_order(), *_check_anonymous_feeds(), *_check_models()]


def _check_order() -> list[CheckMessage]:
    """`runserver` of the first app that has one is used: another has no WebSocket."""
    ours = apps.get_app_config("realtime")
    configs = list(apps.get_app_configs())
    earlier = [config.name for config in configs[: configs.index(ours)]]
    return [
        Error(
            f"{name} stands before realtime in INSTALLED_APPS, and brings a runserver of its own.",
            hint="Put realtime first: its runserver has the WebSocket.",
            id="realtime.E007",
        )
        for name in earlier
        if name in RUNSERVER_APPS
    ]


def _check_database() -> list[CheckMessage]:
    alias = conf().database
    if alias in settings.DATABASES:
        return []
    known = ", ".join(settings.DATABASES)
    return [
        Error(
            f"REALTIME_DATABASE is {alias!r}, which is no database.",
            hint=f"Set it to one of: {known}.",
            id="realtime.E001",
        )
    ]


def _check_anonymous_feeds() -> list[CheckMessage]:
    return [
        Error(
            f"REALTIME_ANONYMOUS_FEEDS names {name!r}, which is no feed.",
            hint=f"The feeds are: {', '.join(feeds())}.",
            id="realtime.E002",
        )
        for name in conf().anonymous_feeds
        if name not in feeds()
    ]


def _check_models() -> list[CheckMessage]:
    return [message for feed in model_feeds() for message in _check_model(feed.model)]


def _check_model(model: type[Model]) -> Iterator[CheckMessage]:
    label = model._meta.label
    if not issubclass(model, PublishedModel):
        yield Error(
            f"{label} has a feed, but its saves and their events are not one transaction.",
            hint="Let it inherit realtime.published.PublishedModel.",
            obj=model,
            id="realtime.E003",
        )
        return
    if not isinstance(model._base_manager.get_queryset(), PublishedQuerySet):
        yield Error(
            f"{label} does not publish what relations change in it (SET_NULL, related.add()).",
            hint="Let its Meta inherit: `class Meta(PublishedModel.Meta)`.",
            obj=model,
            id="realtime.E004",
        )
    for manager in model._meta.managers:
        if not isinstance(manager.get_queryset(), PublishedQuerySet):
            yield Error(
                f"{label}.{manager.name} does not publish its bulk writes.",
                hint="Let the manager's query set inherit PublishedQuerySet.",
                obj=model,
                id="realtime.E005",
            )
    yield from _check_relations(model)


def _check_relations(model: type[Model]) -> Iterator[CheckMessage]:
    """Django's collector changes rows past every manager, unless it may leave them unread."""
    for field in model._meta.fields:
        on_delete = getattr(field.remote_field, "on_delete", None)
        is_lazy = getattr(on_delete, "lazy_sub_objs", False)
        if on_delete is not None and on_delete not in KNOWN_ON_DELETE and not is_lazy:
            yield Error(
                f"{field} does not publish what deleting its {field.name} changes.",
                hint="Use SET_NULL, or SET with a value instead of a function.",
                obj=field,
                id="realtime.E006",
            )
