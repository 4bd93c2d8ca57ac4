"""Funding: each payment is a row, and the position holds their sum."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from trading import amounts, pnl
from trading.amounts import Amount
from trading.errors import FundingAfterClose, FundingAlreadyAccrued
from trading.models import DEFAULT_ACCOUNT, FundingPayment, Position
from trading.services import locks
from trading.services.figures import FIGURES, refresh


def accrue_funding(
    *,
    position_id: UUID | str,
    amount: Amount,
    rate: Amount | None = None,
    at: datetime | None = None,
) -> Position:
    """Add one settlement's payment, negative when the position paid.

    A payment that arrives after the position was closed corrects its realised PnL. Raises
    FundingAlreadyAccrued for a second one of the same time, FundingAfterClose for one of a time
    after the close, PositionNotFound and InvalidAmount.
    """
    paid = amounts.exact(amount, field="amount")
    known_rate = None if rate is None else amounts.exact(rate, field="rate")
    with transaction.atomic():
        position = locks.lock_position(position_id)
        _accrue(position, amount=paid, rate=known_rate, at=amounts.market_time(at))
    return position


def settle_funding(
    *,
    rates: Mapping[str, Amount],
    account: str = DEFAULT_ACCOUNT,
    simulated: bool | None = None,
    at: datetime | None = None,
) -> list[Position]:
    """Pay every live position of these symbols its funding: rate × the perpetual leg's value.

    Positions whose perpetual has no price yet are left out. Raises as `accrue_funding`.
    """
    known = {
        amounts.symbol(symbol): amounts.exact(rate, field="rate") for symbol, rate in rates.items()
    }
    with transaction.atomic():
        positions = locks.lock_live_positions(account=account, symbols=known, simulated=simulated)
        moment = amounts.market_time(at)
        priced = [position for position in positions if position.perp_current_price is not None]
        for position in priced:
            rate = known[position.symbol]
            _accrue(position, amount=_payment(position, rate), rate=rate, at=moment)
    return priced


def _payment(position: Position, rate: Decimal) -> Decimal:
    assert position.perp_current_price is not None  # `settle_funding` has looked.
    payment = pnl.funding_payment(
        perp_price=position.perp_current_price, quantity=position.perp_quantity, rate=rate
    )
    return amounts.rounded(payment, field="amount")


def _accrue(position: Position, *, amount: Decimal, rate: Decimal | None, at: datetime) -> None:
    if position.closed_at is not None and at > position.closed_at:
        raise FundingAfterClose(position_id=position.pk, at=at.isoformat())
    if FundingPayment.objects.filter(position=position, recorded_at=at).exists():
        raise FundingAlreadyAccrued(position_id=position.pk, at=at.isoformat())
    FundingPayment.objects.create(position=position, amount=amount, rate=rate, recorded_at=at)
    total = position.funding_collected + amount
    position.funding_collected = amounts.rounded(total, field="funding_collected")
    position.recorded_at = max(position.recorded_at, at)
    refresh(position)
    position.save(update_fields=["funding_collected", *FIGURES, "recorded_at", "updated_at"])
