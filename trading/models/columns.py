"""The columns of exact numbers: how wide they are is said once, here and in `trading.amounts`."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db import models

from trading.amounts import MAX_DIGITS, PLACES
from trading.models.validation import validate_exact


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
