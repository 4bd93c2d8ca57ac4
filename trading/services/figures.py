"""Sets the figures of a position that follow from its prices, funding and fees."""

from __future__ import annotations

from decimal import Decimal

from trading import pnl
from trading.amounts import ZERO, rounded
from trading.conf import risk_conf
from trading.models import Position

# What `refresh` sets, and therefore what a service that calls it has to save.
FIGURES = ("unrealized_pnl", "realized_pnl", "liquidation_price", "liquidation_distance")


def refresh(position: Position) -> None:
    """Compute PnL and liquidation anew; raises InvalidAmount when a figure fits no column."""
    if position.closed_at is None:
        position.unrealized_pnl = _net_pnl(
            position,
            spot_price=position.spot_current_price,
            perp_price=position.perp_current_price,
        )
    else:
        position.unrealized_pnl = ZERO
        position.realized_pnl = _net_pnl(
            position, spot_price=position.spot_exit_price, perp_price=position.perp_exit_price
        )
    _refresh_liquidation(position)


def _net_pnl(
    position: Position, *, spot_price: Decimal | None, perp_price: Decimal | None
) -> Decimal | None:
    net = pnl.net_pnl(
        spot=position.spot_leg,
        perp=position.perp_leg,
        spot_price=spot_price,
        perp_price=perp_price,
        funding=position.funding_collected,
        fees=position.fees,
    )
    return None if net is None else rounded(net, field="pnl")


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
