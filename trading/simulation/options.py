"""The values that `simulate` takes on its command line."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError

from trading import amounts
from trading.errors import InvalidSymbol

FASTEST = "max"


def parse_speed(text: str) -> float:
    """A factor above zero; infinite for `max`."""
    if text == FASTEST:
        return math.inf
    return _above_zero(text, problem=f"is neither a number above zero nor {FASTEST!r}")


def parse_seconds(text: str) -> float:
    """A number of seconds above zero."""
    return _above_zero(text, problem="is no number of seconds above zero")


def parse_bars(text: str) -> int:
    """A whole number above zero."""
    if not (text.isascii() and text.isdigit() and int(text)):
        raise ArgumentTypeError(f"{text!r} is no whole number above zero")
    return int(text)


def parse_symbols(text: str) -> tuple[str, ...]:
    """Symbols separated by commas, each once."""
    try:
        symbols = [amounts.symbol(part.strip()) for part in text.split(",")]
    except InvalidSymbol as error:
        raise ArgumentTypeError(error.message) from None
    return tuple(dict.fromkeys(symbols))


def _above_zero(text: str, *, problem: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < math.inf:
        raise ArgumentTypeError(f"{text!r} {problem}")
    return number
