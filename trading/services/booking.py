"""Books a fill: its row, and what it changes of the position that the caller has locked.

A position is the sum of its fills. Whoever books calls `refresh` and saves BOOKED afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from trading import pnl
from trading.amounts import ZERO, exact, rounded
from trading.errors import InvalidQuantity, QuantityNotHeld
from trading.models import Fill, FillEffect, FillLeg, Position, PositionStatus

# What booking sets of a position.
BOOKED = (
    "spot_quantity",
    "perp_quantity",
    "spot_closed_quantity",
    "perp_closed_quantity",
    "spot_entry_price",
    "perp_entry_price",
    "spot_exit_price",
    "perp_exit_price",
    "closed_pnl",
    "fees",
)
# What the end of a position sets beside.
ENDED = ("status", "close_reason", "closed_at", "spot_current_price", "perp_current_price")


@dataclass(frozen=True, slots=True)
class Execution:
    """What was executed of one leg, checked."""

    leg: FillLeg
    effect: FillEffect
    price: Decimal
    quantity: Decimal
    fee: Decimal = ZERO
    fill_id: str = ""


def book(position: Position, *executions: Execution, at: datetime) -> list[Fill]:
    """Apply these executions; raises QuantityNotHeld and InvalidAmount."""
    gain = ZERO
    for execution in executions:
        if execution.effect == FillEffect.OPENING:
            _add(position, execution)
        else:
            gain += _take(position, execution)
        position.fees = rounded(position.fees + execution.fee, field="fees")
    # Rounded once: the parts of one close are as exact as the close of the whole.
    position.closed_pnl = rounded(position.closed_pnl + gain, field="pnl")
    return write_fills(position, *executions, at=at)


def write_fills(position: Position, *executions: Execution, at: datetime) -> list[Fill]:
    """Add the rows of executions that the position holds already."""
    rows = [
        Fill(
            position=position,
            leg=execution.leg,
            effect=execution.effect,
            price=execution.price,
            quantity=execution.quantity,
            fee=execution.fee,
            fill_id=execution.fill_id,
            recorded_at=at,
        )
        for execution in executions
    ]
    return Fill.objects.bulk_create(rows)


def holds_nothing(position: Position) -> bool:
    """Whether all that there was is closed."""
    return not position.spot_quantity and not position.perp_quantity


def end(position: Position, *, reason: str, at: datetime) -> None:
    """Close a position that holds nothing any more; it shows what it held from then on."""
    position.status = PositionStatus.CLOSED
    position.close_reason = reason or position.close_reason
    position.closed_at = max(at, position.opened_at)
    for leg in FillLeg:
        exit_price = getattr(position, f"{leg}_exit_price")
        if exit_price is None:
            # A leg that was never filled, of a position that waited for its fills.
            exit_price = getattr(position, f"{leg}_entry_price")
        setattr(position, f"{leg}_exit_price", exit_price)
        setattr(position, f"{leg}_current_price", exit_price)
        setattr(position, f"{leg}_quantity", getattr(position, f"{leg}_closed_quantity"))


def closing_of_what_is_held(
    position: Position, *, spot_price: Decimal, perp_price: Decimal
) -> Iterator[Execution]:
    """The executions that close what each leg holds, at these prices."""
    for leg, price in ((FillLeg.SPOT, spot_price), (FillLeg.PERP, perp_price)):
        held = getattr(position, f"{leg}_quantity")
        if held:
            yield Execution(leg, FillEffect.CLOSING, price, held)


def _add(position: Position, execution: Execution) -> None:
    held = _held(position, execution.leg)
    entry = pnl.average_price(held, price=execution.price, quantity=execution.quantity)
    name = f"{execution.leg}_entry_price"
    setattr(position, name, rounded(entry, field=name))
    _set_quantity(position, f"{execution.leg}_quantity", held.quantity + execution.quantity)


def _take(position: Position, execution: Execution) -> Decimal:
    """Take what is closed off its leg; returns the gain, unrounded."""
    leg, held = execution.leg, _held(position, execution.leg)
    if execution.quantity > held.quantity:
        raise QuantityNotHeld(
            field=f"{leg}_quantity", leg=leg, quantity=f"{execution.quantity:f}", held=held.quantity
        )
    closed = pnl.Leg(
        getattr(position, f"{leg}_exit_price") or ZERO, getattr(position, f"{leg}_closed_quantity")
    )
    exit_price = pnl.average_price(closed, price=execution.price, quantity=execution.quantity)
    name = f"{leg}_exit_price"
    setattr(position, name, rounded(exit_price, field=name))
    _set_quantity(position, f"{leg}_closed_quantity", closed.quantity + execution.quantity)
    _set_quantity(position, f"{leg}_quantity", held.quantity - execution.quantity)
    taken = pnl.Leg(held.entry_price, execution.quantity)
    gain_of = pnl.spot_pnl if leg == FillLeg.SPOT else pnl.perp_pnl
    return gain_of(taken, execution.price)


def _held(position: Position, leg: FillLeg) -> pnl.Leg:
    return position.spot_leg if leg == FillLeg.SPOT else position.perp_leg


def _set_quantity(position: Position, name: str, quantity: Decimal) -> None:
    # Exact or refused: a rounded one would not be the sum of its fills.
    setattr(position, name, exact(quantity, field=name, error=InvalidQuantity))
