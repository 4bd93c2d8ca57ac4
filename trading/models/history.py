"""Keeps history as it was written: rows are added, and go only with what they belong to."""

from __future__ import annotations

from typing import Any, NoReturn, TypeVar

from django.db import models
from django.db.models.signals import pre_delete, pre_save

from realtime.published import PublishedManager, PublishedQuerySet
from trading.errors import HistoryIsFinal

Row = TypeVar("Row", bound=models.Model)


class HistoryQuerySet(models.QuerySet[Row]):
    """Rows that stay as they are; `bulk_update` and the async variants come through here too."""

    def update(self, **kwargs: Any) -> NoReturn:
        """Refuse."""
        raise HistoryIsFinal(model=self.model.__name__)

    update.alters_data = True  # type: ignore[attr-defined]


class PublishedHistoryQuerySet(PublishedQuerySet[Row]):
    """Rows that stay as they are; adding them is published."""

    def update(self, **kwargs: Any) -> NoReturn:
        """Refuse."""
        raise HistoryIsFinal(model=self.model.__name__)

    update.alters_data = True  # type: ignore[attr-defined]


class PublishedHistoryManager(PublishedManager[Row]):
    """The manager of published history."""

    queryset_class = PublishedHistoryQuerySet


def keep_history(model: type[models.Model]) -> None:
    """Refuse the changing and deleting of single rows of `model`, however it is asked for."""
    label = f"trading.history.{model.__name__}"
    pre_save.connect(_refuse_change, sender=model, dispatch_uid=f"{label}.saved")
    pre_delete.connect(_refuse_removal, sender=model, dispatch_uid=f"{label}.deleted")


def _refuse_change(sender: type[models.Model], instance: models.Model, raw: bool, **_: Any) -> None:
    # `loaddata` restores rows as they were.
    if not raw and not instance._state.adding:
        raise HistoryIsFinal(model=sender.__name__)


def _refuse_removal(sender: type[models.Model], origin: Any, **_: Any) -> None:
    asked_for = origin.model if isinstance(origin, models.QuerySet) else type(origin)
    # A cascade comes from another model: the account goes, and its history with it.
    if asked_for is sender:
        raise HistoryIsFinal(model=sender.__name__)
