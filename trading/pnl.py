"""Profit, loss and distance to liquidation: pure arithmetic on decimals, without a model.

Amounts go in exact and come out at full precision; `amounts.rounded` makes them fit a column.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Context, Decimal, localcontext

ZERO = Decimal(0)
# Twice the digits of the widest column and some: products of two amounts are exact.
PRECISION = Context(prec=60)
FRACTION_QUANTUM = Decimal("0.00000001")
# A loss of a thousand times what there was says no more than this.
LARGEST_FRACTION = Decimal(1000)


@dataclass(frozen=True, slots=True)
class Leg:
    """One side of a position: what it was entered at, and how much of it."""

    entry_price: Decimal
    quantity: Decimal

    @property
    def entry_value(self) -> Decimal:
        """What the leg was worth when it was entered."""
        return PRECISION.multiply(self.entry_price, self.quantity)


def spot_pnl(leg: Leg, price: Decimal) -> Decimal:
    """The gain of a long spot leg at `price`."""
    return PRECISION.multiply(PRECISION.subtract(price, leg.entry_price), leg.quantity)


def perp_pnl(leg: Leg, price: Decimal) -> Decimal:
    """The gain of a short perpetual leg at `price`."""
    return PRECISION.multiply(PRECISION.subtract(leg.entry_price, price), leg.quantity)


def net_pnl(
    *,
    spot: Leg,
    perp: Leg,
    spot_price: Decimal | None,
    perp_price: Decimal | None,
    funding: Decimal,
    fees: Decimal,
) -> Decimal | None:
    """Spot leg + perp leg + funding − fees; None, never zero, while a leg's price is unknown."""
    if spot_price is None or perp_price is None:
        return None
    with localcontext(PRECISION):
        return spot_pnl(spot, spot_price) + perp_pnl(perp, perp_price) + funding - fees


def average_price(held: Leg, *, price: Decimal, quantity: Decimal) -> Decimal:
    """The price of what is held and of what is added to it, weighted by quantity."""
    with localcontext(PRECISION):
        return (held.entry_value + price * quantity) / (held.quantity + quantity)


def is_imbalanced(*, spot: Decimal, perp: Decimal, limit: Decimal) -> bool:
    """Whether the legs differ by more than `limit`, a fraction of the larger one."""
    with localcontext(PRECISION):
        return abs(spot - perp) > limit * max(spot, perp)


def funding_payment(*, perp_price: Decimal, quantity: Decimal, rate: Decimal) -> Decimal:
    """What a short of `quantity` receives at a settlement; negative when it pays."""
    with localcontext(PRECISION):
        return perp_price * quantity * rate


def liquidation_price(*, perp: Leg, leverage: Decimal, maintenance_margin: Decimal) -> Decimal:
    """The price at which an isolated short's margin is down to its maintenance.

    Margin entry × q / leverage, loss (p − entry) × q and maintenance rate × p × q, solved for p:
    https://www.binance.com/en/support/faq/b3c689c1f50a44cabb3a84e663b81d93
    """
    with localcontext(PRECISION):
        return perp.entry_price * (1 + 1 / leverage) / (1 + maintenance_margin)


def liquidation_distance(*, liquidation: Decimal, perp_price: Decimal | None) -> Decimal | None:
    """How far the perpetual may rise until liquidation, as a fraction; negative when it is past."""
    if perp_price is None:
        return None
    with localcontext(PRECISION):
        return (liquidation - perp_price) / perp_price


def drawdown(*, peak: Decimal, equity: Decimal) -> Decimal:
    """The fall from `peak` to `equity` as a fraction, never negative."""
    return loss_fraction(base=peak, equity=equity)


def daily_loss(*, day_start: Decimal, equity: Decimal) -> Decimal:
    """The loss since the day's start as a fraction, never negative."""
    return loss_fraction(base=day_start, equity=equity)


def loss_fraction(*, base: Decimal, equity: Decimal) -> Decimal:
    """(base − equity) / base, between 0 and 1000, rounded up to 8 decimals.

    Rounding up keeps every comparison with a limit of 8 decimals as it is without rounding: a
    loss above the limit stays above it. A loss from a base that is not above zero is total.
    """
    if equity >= base:
        return ZERO
    if base <= ZERO:
        return Decimal(1)
    with localcontext(PRECISION) as context:
        context.rounding = ROUND_CEILING
        fraction = min((base - equity) / base, LARGEST_FRACTION)
        return fraction.quantize(FRACTION_QUANTUM)
