"""Recording what an exchange executed, fill by fill, each once."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from trading import amounts
from trading.amounts import Amount
from trading.errors import FillExists, InvalidText, PositionAlreadyClosed
from trading.models import Fill, FillEffect, FillLeg, Position, PositionStatus
from trading.services import locks
from trading.services.booking import Execution, book
from trading.services.closing import save_booked

LONGEST_FILL_ID = 64


def record_fill(
    *,
    position_id: UUID | str,
    leg: str,
    effect: str,
    price: Amount,
    quantity: Amount,
    fill_id: str,
    fee: Amount = 0,
    at: datetime | None = None,
) -> Fill:
    """Add one execution to a position: opening ones add to a leg, closing ones take from it.

    The entry and exit prices are the averages of the fills, weighted by quantity; the fill that
    takes the last of both legs closes the position. A pause does not refuse a fill: it has
    happened. The same fill again changes nothing and returns the first; the same `fill_id` of the
    leg with other numbers raises FillExists. Raises QuantityNotHeld for a closing of more than
    there is, PositionAlreadyClosed, PositionNotFound and InvalidInput.
    """
    execution = Execution(
        leg=FillLeg(amounts.choice(leg, field="leg", choices=FillLeg.values)),
        effect=FillEffect(amounts.choice(effect, field="effect", choices=FillEffect.values)),
        price=amounts.price(price, field="price"),
        quantity=amounts.quantity(quantity, field="quantity"),
        fee=amounts.fee(fee, field="fee"),
        fill_id=_fill_id(fill_id),
    )
    with transaction.atomic():
        position = locks.lock_position(position_id)
        known = _known_fill(position, execution)
        if known is not None:
            return known
        if position.status == PositionStatus.CLOSED:
            raise PositionAlreadyClosed(position_id=position_id)
        moment = amounts.market_time(at)
        [fill] = book(position, execution, at=moment)
        save_booked(position, at=moment, may_end=execution.effect == FillEffect.CLOSING)
    return fill


def _known_fill(position: Position, execution: Execution) -> Fill | None:
    """The row of this fill; raises FillExists for another one of its number."""
    known = Fill.objects.filter(
        position=position, leg=execution.leg, fill_id=execution.fill_id
    ).first()
    if known is None:
        return None
    said = (known.effect, known.price, known.quantity, known.fee)
    if said != (execution.effect, execution.price, execution.quantity, execution.fee):
        raise FillExists(
            field="fill_id",
            position_id=position.pk,
            leg=execution.leg.value,
            fill_id=execution.fill_id,
        )
    known.position = position
    return known


def _fill_id(value: str) -> str:
    words = amounts.text(value, field="fill_id", longest=LONGEST_FILL_ID)
    if not words:
        problem = "the exchange's number keeps a fill from counting twice"
        raise InvalidText(field="fill_id", value=value, problem=problem)
    return words
