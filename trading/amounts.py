"""Numbers, symbols and times from outside: exact from here on, or refused before anything is done.

SQLite keeps decimals as doubles, which carry 15 digits exactly. Nothing with more is accepted or
computed, so that both databases give back what was written.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation

from django.utils import timezone

from trading import errors

PLACES = 8
EXACT_DIGITS = 15
WHOLE_DIGITS = 12
MAX_DIGITS = WHOLE_DIGITS + PLACES
CEILING = Decimal(10) ** WHOLE_DIGITS

ZERO = Decimal(0)
MAX_LEVERAGE = 200
LONGEST_TEXT = 64
TOO_LARGE = f"it must stay below {CEILING:,}"
_QUANTUM = Decimal(1).scaleb(-PLACES)
_WIDE = Context(prec=60, rounding=ROUND_HALF_EVEN)
_EXACT = Context(prec=EXACT_DIGITS, rounding=ROUND_HALF_EVEN)
_SYMBOL = re.compile(r"[A-Z0-9]{1,20}/[A-Z0-9]{1,10}\Z", re.ASCII)

# What services take; a float is none, since it has lost its digits before it comes here.
Amount = Decimal | int | str


def exact(
    value: Amount, *, field: str, error: type[errors.InvalidAmount] = errors.InvalidAmount
) -> Decimal:
    """`value` as the decimal that the database gives back; raises `error` where it could not."""
    number = _decimal(value, field=field, error=error)
    if not number.is_finite():
        raise error(field=field, value=str(value), problem="it must be a finite number")
    if number.is_zero():
        return ZERO
    if number.adjusted() >= WHOLE_DIGITS:
        raise error(field=field, value=f"{number:.3E}", problem=TOO_LARGE)
    significant = "".join(map(str, number.as_tuple().digits)).rstrip("0")
    # The last significant digit stands this many places after the point.
    if len(significant) - 1 - number.adjusted() > PLACES:
        raise error(field=field, value=str(value), problem=f"at most {PLACES} decimals are kept")
    if len(significant) > EXACT_DIGITS:
        problem = f"at most {EXACT_DIGITS} significant digits are kept"
        raise error(field=field, value=str(value), problem=problem)
    return number.normalize() + ZERO


def price(value: Amount, *, field: str) -> Decimal:
    """An exact price above zero; raises InvalidPrice."""
    return _positive(exact(value, field=field, error=errors.InvalidPrice), field=field)


def quantity(value: Amount, *, field: str) -> Decimal:
    """An exact quantity above zero; raises InvalidQuantity."""
    number = exact(value, field=field, error=errors.InvalidQuantity)
    return _positive(number, field=field, error=errors.InvalidQuantity)


def fee(value: Amount, *, field: str) -> Decimal:
    """An exact amount of money that is not negative; raises InvalidAmount."""
    number = exact(value, field=field)
    if number < ZERO:
        raise errors.InvalidAmount(field=field, value=str(value), problem="it must not be negative")
    return number


def leverage(value: Amount, *, field: str) -> Decimal:
    """An exact leverage between 1 and 200; raises InvalidAmount."""
    number = exact(value, field=field)
    if not 1 <= number <= MAX_LEVERAGE:
        problem = f"it must be between 1 and {MAX_LEVERAGE}"
        raise errors.InvalidAmount(field=field, value=str(value), problem=problem)
    return number


def rounded(value: Decimal, *, field: str) -> Decimal:
    """A computed amount as a column holds it; raises InvalidAmount for one too large."""
    if not value.is_finite() or abs(value) >= CEILING:
        raise errors.InvalidAmount(field=field, value=f"{value:.3E}", problem=TOO_LARGE)
    number = _EXACT.plus(value.quantize(_QUANTUM, context=_WIDE)).normalize(_EXACT)
    return number + ZERO


def symbol(value: str) -> str:
    """`value` when it is a symbol, BASE/QUOTE; raises InvalidSymbol."""
    if not isinstance(value, str) or not _SYMBOL.match(value):
        raise errors.InvalidSymbol(field="symbol", value=value)
    return value


def text(value: str, *, field: str, longest: int) -> str:
    """`value` without surrounding space; raises InvalidText where a column could not hold it."""
    stripped = value.strip()
    if len(stripped) > longest:
        shown = f"{stripped[:20]}…"
        problem = f"at most {longest} characters are kept"
        raise errors.InvalidText(field=field, value=shown, problem=problem)
    if "\x00" in stripped:
        raise errors.InvalidText(field=field, value=stripped, problem="it holds a null character")
    return stripped


def choice(value: str, *, field: str, choices: Collection[str]) -> str:
    """`value` when it is one of `choices`; raises InvalidText."""
    if value not in choices:
        problem = f"it must be one of {', '.join(choices)}"
        raise errors.InvalidText(field=field, value=value, problem=problem)
    return value


def market_time(at: datetime | None) -> datetime:
    """`at`, or the present moment; raises InvalidTime for a time without a zone."""
    if at is None:
        return timezone.now()
    if timezone.is_naive(at):
        raise errors.InvalidTime(field="at", value=at.isoformat())
    return at


def _decimal(value: Amount, *, field: str, error: type[errors.InvalidAmount]) -> Decimal:
    # bool is an int to Python, but no amount.
    if isinstance(value, bool) or not isinstance(value, Decimal | int | str):
        problem = "pass a Decimal or text, never a float"
        raise error(field=field, value=value, problem=problem)
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        raise error(field=field, value=f"{value[:20]}…", problem="it is too long for a number")
    try:
        return Decimal(value)
    except InvalidOperation:
        raise error(field=field, value=value, problem="it must be a decimal number") from None


def _positive(
    number: Decimal, *, field: str, error: type[errors.InvalidAmount] = errors.InvalidPrice
) -> Decimal:
    if number <= ZERO:
        raise error(field=field, value=str(number), problem="it must be above zero")
    return number
