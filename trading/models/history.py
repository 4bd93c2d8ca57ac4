"""Keeps history as it was written: rows are added, and go only with what they belong to."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models.signals import pre_delete, pre_save

from trading.errors import HistoryIsFinal
from trading.models.equity import EquitySnapshot
from trading.models.risk import RiskChange

HISTORY: tuple[type[models.Model], ...] = (EquitySnapshot, RiskChange)


def connect() -> None:
    """Refuse the changing and deleting of single history rows, however it is asked for."""
    for model in HISTORY:
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
