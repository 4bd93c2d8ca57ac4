"""The services' rules as Django validators, so that forms and the admin refuse the same."""

from __future__ import annotations

from decimal import Decimal

from django.core.exceptions import ValidationError

from trading import amounts
from trading.errors import InvalidAmount, InvalidSymbol


def validate_symbol(value: str) -> None:
    """Refuse what is no BASE/QUOTE."""
    try:
        amounts.symbol(value)
    except InvalidSymbol as error:
        raise ValidationError(error.message, code=error.code) from None


def validate_exact(value: Decimal) -> None:
    """Refuse digits that a database would not give back."""
    try:
        amounts.exact(value, field="This number")
    except InvalidAmount as error:
        raise ValidationError(error.message, code=error.code) from None
