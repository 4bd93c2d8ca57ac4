"""Amounts as people read them: signed, coloured; unknown is a dash, never zero."""

from __future__ import annotations

from datetime import timedelta
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

from django.utils.html import format_html
from django.utils.safestring import SafeString

from realtime.decimals import to_fixed
from trading.models import RiskState
from trading.risk import percent

UNKNOWN = "–"
MINUS = "\u2212"
CENT = Decimal("0.01")
# Below this, as a fraction, a liquidation is near.
NEAR_LIQUIDATION = Decimal("0.1")
DAY, HOUR, MINUTE = 86_400, 3_600, 60


def signed(value: Decimal | None) -> SafeString:
    """A gain or a loss, to the cent; the exact amount is its title."""
    if value is None:
        return format_html('<span class="quiet" title="A price is unknown">{}</span>', UNKNOWN)
    cents = value.quantize(CENT, ROUND_HALF_EVEN)
    sign = "+" if cents > 0 else MINUS if cents < 0 else ""
    style = "gain" if cents > 0 else "loss" if cents < 0 else ""
    exact = to_fixed(value, minimum_places=2)
    return format_html(
        '<span class="amount {}" title="{}">{}</span>', style, exact, f"{sign}{abs(cents):,}"
    )


def leg(
    *, quantity: Decimal, entry: Decimal, now: Decimal | None, exit_price: Decimal | None = None
) -> SafeString:
    """One side: how much, entered at what, and what it is at now, or was left at."""
    return format_html(
        '<span class="amount">{} @ {}</span><br><span class="amount quiet">{} {}</span>',
        to_fixed(quantity, minimum_places=0),
        price(entry),
        "now" if exit_price is None else "exit",
        price(now if exit_price is None else exit_price),
    )


def imbalance(value: Decimal | None, *, is_over: bool) -> SafeString:
    """What two legs leave unhedged, above zero when long; none is quiet."""
    if value is None:
        return format_html('<span class="quiet">{}</span>', UNKNOWN)
    style = "warn" if is_over else "" if value else "quiet"
    sign = "+" if value > 0 else MINUS if value < 0 else ""
    text = to_fixed(abs(value), minimum_places=0)
    return format_html('<span class="amount {}">{}{}</span>', style, sign, text)


def price(value: Decimal | None) -> str:
    """A price with its thousands apart."""
    if value is None:
        return UNKNOWN
    whole, _, fraction = to_fixed(value, minimum_places=2).partition(".")
    return f"{int(whole):,}.{fraction}"


def distance(fraction: Decimal | None) -> SafeString:
    """How far the price may go until liquidation, rounded down; what is near stands out."""
    if fraction is None:
        return format_html('<span class="quiet">{}</span>', UNKNOWN)
    shown = (fraction * 100).quantize(CENT, ROUND_FLOOR)
    style = "loss" if fraction <= 0 else "warn" if fraction < NEAR_LIQUIDATION else ""
    text = f"{abs(shown):,}"
    return format_html(
        '<span class="amount {}">{}{} %</span>', style, MINUS if shown < 0 else "", text
    )


def against_limit(fraction: Decimal, limit: Decimal) -> SafeString:
    """A loss beside its limit, as risk messages write both."""
    style = "loss" if fraction > limit else ""
    return format_html(
        '<span class="amount {}">{}</span> <span class="amount quiet">of {}</span>',
        style,
        percent(fraction),
        percent(limit),
    )


def age(span: timedelta) -> str:
    """How long, in its two largest units."""
    seconds = max(int(span.total_seconds()), 0)
    days, hours = divmod(seconds, DAY)
    hours, minutes = divmod(hours, HOUR)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes // MINUTE} min"
    return f"{minutes // MINUTE} min"


def loss(fraction: Decimal) -> SafeString:
    """A loss as a percentage; none is quiet."""
    return format_html(
        '<span class="amount {}">{}</span>', "" if fraction else "quiet", percent(fraction)
    )


def state(value: str) -> SafeString:
    """A risk status in words; what is not normal stands out."""
    status = RiskState(value)
    styles = {RiskState.NORMAL: "gain", RiskState.SOFT_PAUSE: "warn", RiskState.HARD_STOP: "loss"}
    return format_html('<span class="{}">{}</span>', styles[status], status.label)


def change(old: str, new: str) -> SafeString:
    """From one risk status to another."""
    return format_html("{} → {}", RiskState(old).label, state(new))
