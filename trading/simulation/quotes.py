"""What a market says at one time: random walks and recordings make it, the trader acts on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Quote:
    """The last prices of one symbol, and the funding rate where one was settled."""

    spot: Decimal
    perp: Decimal
    funding_rate: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Bar:
    """All quotes of one market time."""

    time: datetime
    quotes: dict[str, Quote]
