"""The columns of exact numbers: how wide they are is said once, here and in `trading.amounts`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db import models
from django.utils import timezone

from trading.amounts import MAX_DIGITS, PLACES
from trading.models.validation import validate_exact

if TYPE_CHECKING:
    Moment = models.DateTimeField[datetime | str, datetime]
else:
    # Django's own class takes no type arguments.
    Moment = models.DateTimeField

# What the wire shows of a time.
TICK = timedelta(milliseconds=1)


def next_change(last: Iterable[datetime]) -> datetime:
    """The present moment, or the first that is later than the last changes of some rows."""
    return max([timezone.now(), *(each + TICK for each in last)])


class ChangedAtField(Moment):
    """When a row was changed, wall clock: later by a millisecond at least with every change.

    So the wire's milliseconds tell any two states of a row apart; writers hold its lock.
    """

    def pre_save(self, model_instance: models.Model, add: bool) -> datetime:
        """The present moment, or the first that is later than the row's last change."""
        last: datetime | None = None if add else getattr(model_instance, self.attname)
        moment = next_change([] if last is None else [last])
        setattr(model_instance, self.attname, moment)
        return moment

    def deconstruct(self) -> Any:
        """As the column that it is: migrations need not know how it is filled."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.DateTimeField", args, kwargs


def amount(label: str, **options: Any) -> models.DecimalField[Decimal | int | str, Decimal]:
    """A column of money, prices, quantities or fractions."""
    return models.DecimalField(
        label,
        max_digits=MAX_DIGITS,
        decimal_places=PLACES,
        validators=[validate_exact],
        **options,
    )


def unknown_amount(
    label: str, **options: Any
) -> models.DecimalField[Decimal | int | str | None, Decimal | None]:
    """A column of amounts that may be unknown: null, never zero."""
    return models.DecimalField(
        label,
        max_digits=MAX_DIGITS,
        decimal_places=PLACES,
        validators=[validate_exact],
        null=True,
        blank=True,
        **options,
    )


def above_zero(table: str, *columns: str) -> list[models.CheckConstraint]:
    """Constraints that keep each of `columns` above zero, or null where it may be."""
    return [
        models.CheckConstraint(
            condition=models.Q(**{f"{column}__gt": 0}), name=f"{table}_{column}_above_zero"
        )
        for column in columns
    ]
