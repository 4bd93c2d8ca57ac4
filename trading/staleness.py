"""Whether an account's inputs still come: pure decisions by the wall clock; no database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

EQUITY = "equity"
PRICES = "prices"
WORDS = {EQUITY: "equity reading", PRICES: "price of an open position"}


@dataclass(frozen=True, slots=True)
class Inputs:
    """When an account's inputs came last; None for what it never had, or has no use for."""

    last_reading: datetime | None = None
    live_since: datetime | None = None
    oldest_price: datetime | None = None


@dataclass(frozen=True, slots=True)
class Staleness:
    """Which inputs are overdue, since when, and the words for it."""

    inputs: tuple[str, ...] = ()
    since: datetime | None = None
    warning: str = ""


FRESH = Staleness()


def judge(inputs: Inputs, *, now: datetime, limit: timedelta) -> Staleness:
    """What is overdue at `now`; nothing ever is when the limit is zero.

    Equity is awaited from an account that had a reading once, or has an open position. Prices
    are awaited for open positions, and the one that waits longest decides.
    """
    if not limit:
        return FRESH
    awaited = {EQUITY: inputs.last_reading or inputs.live_since, PRICES: inputs.oldest_price}
    overdue = {
        name: last for name, last in awaited.items() if last is not None and now - last > limit
    }
    if not overdue:
        return FRESH
    sentences = " ".join(
        f"No {WORDS[name]} since {last:%Y-%m-%d %H:%M:%S} UTC." for name, last in overdue.items()
    )
    warning = f"{sentences} The limit is {limit.total_seconds():g} s."
    return Staleness(inputs=tuple(overdue), since=min(overdue.values()), warning=warning)
