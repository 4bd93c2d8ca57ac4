"""Sets the figures of a position that follow from its prices, fills, funding and fees."""

from __future__ import annotations

from decimal import Decimal

from trading import pnl
from trading.amounts import ZERO, rounded
from trading.conf import risk_conf
from trading.models import Position, PositionStatus

# What `refresh` sets, and therefore what a service that calls it has to save.
FIGURES = (
    "unrealized_pnl",
    "realized_pnl",
    "liquidation_price",
    "liquidation_distance",
    "is_imbalanced",
)


def refresh(position: Position) -> None:
    """Compute PnL, liquidation and imbalance anew; raises InvalidAmount for a figure too large."""
    if position.closed_at is None:
        position.unrealized_pnl = _unrealized_pnl(position)
        position.realized_pnl = position.closed_pnl if has_closed_parts(position) else None
    else:
        net = position.closed_pnl + position.funding_collected - position.fees
        position.unrealized_pnl, position.realized_pnl = ZERO, rounded(net, field="pnl")
    _refresh_liquidation(position)
    position.is_imbalanced = position.status != PositionStatus.CLOSED and pnl.is_imbalanced(
        spot=position.spot_quantity,
        perp=position.perp_quantity,
        limit=risk_conf().imbalance_limit,
    )


def rebook(position: Position) -> None:
    """Take a closed position's prices and quantities, corrected by hand, for what was executed."""
    gain = pnl.net_pnl(
        spot=position.spot_leg,
        perp=position.perp_leg,
        spot_price=position.spot_exit_price,
        perp_price=position.perp_exit_price,
        funding=ZERO,
        fees=ZERO,
    )
    assert gain is not None  # A closed position has both exit prices.
    position.closed_pnl = rounded(gain, field="pnl")


def has_closed_parts(position: Position) -> bool:
    """Whether something of the position is closed."""
    return bool(position.spot_closed_quantity or position.perp_closed_quantity)


def _unrealized_pnl(position: Position) -> Decimal | None:
    # A leg that holds nothing gains nothing, whatever its price.
    net = pnl.net_pnl(
        spot=position.spot_leg,
        perp=position.perp_leg,
        spot_price=_price_of_held(position.spot_leg, position.spot_current_price),
        perp_price=_price_of_held(position.perp_leg, position.perp_current_price),
        funding=position.funding_collected,
        fees=position.fees,
    )
    return None if net is None else rounded(net, field="pnl")


def _price_of_held(leg: pnl.Leg, price: Decimal | None) -> Decimal | None:
    return price if leg.quantity else leg.entry_price


def _refresh_liquidation(position: Position) -> None:
    price = rounded(
        pnl.liquidation_price(
            perp=position.perp_leg,
            leverage=position.leverage,
            maintenance_margin=risk_conf().maintenance_margin,
        ),
        field="liquidation_price",
    )
    perp_price = position.perp_current_price if position.closed_at is None else None
    distance = pnl.liquidation_distance(liquidation=price, perp_price=perp_price)
    position.liquidation_price = price
    position.liquidation_distance = (
        None if distance is None else rounded(distance, field="liquidation_distance")
    )
