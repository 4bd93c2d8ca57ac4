"""Decimals as the wire writes them: strings in fixed notation, never a float or an exponent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from rest_framework import serializers

MAXIMUM_PLACES = 8
MONEY_PLACES = 2
_QUANTUM = Decimal(1).scaleb(-MAXIMUM_PLACES)


def to_fixed(value: Decimal, *, minimum_places: int) -> str:
    """Write `value` with `minimum_places` to 8 decimals and further zeros cut."""
    exponent = value.as_tuple().exponent
    if isinstance(exponent, str):
        raise ValueError(f"{value} is not a finite number")
    if exponent < -MAXIMUM_PLACES:
        value = value.quantize(_QUANTUM)
    text = f"{value:f}"
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0").ljust(minimum_places, "0")
    if whole == "-0" and not fraction.strip("0"):
        whole = "0"
    return f"{whole}.{fraction}" if fraction else whole


class FixedDecimalField(serializers.DecimalField):
    """A decimal that is written by `to_fixed`; validated on input like DRF's own field."""

    minimum_places = 0

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_digits", 28)
        kwargs.setdefault("decimal_places", MAXIMUM_PLACES)
        super().__init__(**kwargs)

    def to_representation(self, value: Any) -> str | None:  # type: ignore[override]
        """The number as a string; None stays None."""
        if value is None:
            return None
        number = value if isinstance(value, Decimal) else Decimal(str(value))
        return to_fixed(number, minimum_places=self.minimum_places)


class MoneyField(FixedDecimalField):
    """Money and prices: 2 to 8 decimals."""

    minimum_places = MONEY_PLACES


class QuantityField(FixedDecimalField):
    """Quantities and fractions: 0 to 8 decimals."""
