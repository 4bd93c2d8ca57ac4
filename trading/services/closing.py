"""Closing positions, whole or in parts; the last part closes the position."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from trading import amounts
from trading.amounts import Amount
from trading.errors import InvalidQuantity
from trading.models import FillEffect, FillLeg, Position
from trading.services import locks
from trading.services.booking import (
    BOOKED,
    ENDED,
    Execution,
    book,
    closing_of_what_is_held,
    end,
    holds_nothing,
)
from trading.services.figures import FIGURES, refresh

LONGEST_REASON = 200
NOTHING_CLOSED = "close something of at least one leg"


def close_position(
    *,
    position_id: UUID | str,
    spot_exit_price: Amount,
    perp_exit_price: Amount,
    fees: Amount = 0,
    reason: str = "",
    at: datetime | None = None,
) -> Position:
    """Close what both legs hold at these prices and realise the PnL; `fees` are those of closing.

    Raises PositionNotFound, PositionAlreadyClosed and InvalidInput.
    """
    spot_price = amounts.price(spot_exit_price, field="spot_exit_price")
    perp_price = amounts.price(perp_exit_price, field="perp_exit_price")
    closing_fees = amounts.fee(fees, field="fees")
    words = amounts.text(reason, field="reason", longest=LONGEST_REASON)
    with transaction.atomic():
        position = locks.lock_live_position(position_id)
        executions = closing_of_what_is_held(position, spot_price=spot_price, perp_price=perp_price)
        _close(position, list(executions), fees=closing_fees, reason=words, at=at)
    return position


def reduce_position(
    *,
    position_id: UUID | str,
    spot_quantity: Amount = 0,
    perp_quantity: Amount = 0,
    spot_exit_price: Amount | None = None,
    perp_exit_price: Amount | None = None,
    fees: Amount = 0,
    reason: str = "",
    at: datetime | None = None,
) -> Position:
    """Close so much of each leg; what is left stays open, and nothing left is a close.

    A leg of which nothing is closed needs no price. Raises QuantityNotHeld for more than there is,
    PositionNotFound, PositionAlreadyClosed and InvalidInput.
    """
    executions = [
        *_part(FillLeg.SPOT, quantity=spot_quantity, price=spot_exit_price),
        *_part(FillLeg.PERP, quantity=perp_quantity, price=perp_exit_price),
    ]
    if not executions:
        raise InvalidQuantity(field="spot_quantity", value="0", problem=NOTHING_CLOSED)
    closing_fees = amounts.fee(fees, field="fees")
    words = amounts.text(reason, field="reason", longest=LONGEST_REASON)
    with transaction.atomic():
        position = locks.lock_live_position(position_id)
        _close(position, executions, fees=closing_fees, reason=words, at=at)
    return position


def save_booked(position: Position, *, reason: str = "", at: datetime, may_end: bool) -> None:
    """Save what was booked; a position that holds nothing any more is closed with it."""
    ends = may_end and holds_nothing(position)
    if ends:
        end(position, reason=reason, at=at)
        at = position.closed_at or at
    refresh(position)
    position.recorded_at = at
    changed = (*BOOKED, *(ENDED if ends else ()), *FIGURES)
    position.save(update_fields=[*changed, "recorded_at", "updated_at"])


def _close(
    position: Position,
    executions: list[Execution],
    *,
    fees: Decimal,
    reason: str,
    at: datetime | None,
) -> None:
    moment = amounts.market_time(at)
    if executions:
        # The fees of a close that is booked whole go with its first leg.
        executions = [replace(executions[0], fee=fees), *executions[1:]]
    else:
        position.fees = amounts.rounded(position.fees + fees, field="fees")
    book(position, *executions, at=max(moment, position.opened_at))
    save_booked(position, reason=reason, at=moment, may_end=True)


def _part(leg: FillLeg, *, quantity: Amount, price: Amount | None) -> list[Execution]:
    number = amounts.fee(quantity, field=f"{leg}_quantity")
    if not number:
        return []
    # A missing price is refused as one that is no number.
    known = amounts.price("" if price is None else price, field=f"{leg}_exit_price")
    return [Execution(leg, FillEffect.CLOSING, known, number)]
