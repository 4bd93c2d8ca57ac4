"""Opening, updating and repricing positions; each publishes what it changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID, uuid4

from django.db import transaction
from django.utils import timezone

from realtime.timestamps import isoformat
from trading import amounts
from trading.amounts import Amount
from trading.errors import PositionExists, StalePosition, TradingPaused
from trading.models import (
    DEFAULT_ACCOUNT,
    Account,
    FillEffect,
    FillLeg,
    Position,
    PositionStatus,
    RiskState,
)
from trading.services import locks
from trading.services.booking import Execution, write_fills
from trading.services.figures import FIGURES, refresh
from trading.services.standing import end_pause_of_an_earlier_day

LONGEST_STRATEGY = 64
PRICES = ("spot_current_price", "perp_current_price")


@dataclass(frozen=True, slots=True)
class Prices:
    """The last prices of a symbol's two legs; None where one is unknown."""

    spot: Amount | None
    perp: Amount | None


def open_position(
    *,
    symbol: str,
    spot_entry_price: Amount,
    perp_entry_price: Amount,
    spot_quantity: Amount,
    perp_quantity: Amount,
    account: str = DEFAULT_ACCOUNT,
    strategy_id: str = "",
    leverage: Amount = 1,
    fees: Amount = 0,
    spot_current_price: Amount | None = None,
    perp_current_price: Amount | None = None,
    simulated: bool = False,
    position_id: UUID | None = None,
    at: datetime | None = None,
) -> Position:
    """Open a position on both legs, unless trading is paused (TradingPaused).

    Raises InvalidInput for what makes no sense, AccountNotFound, and PositionExists when the
    caller's own `position_id` is taken.
    """
    position = Position(
        position_id=position_id or uuid4(),
        symbol=amounts.symbol(symbol),
        strategy_id=amounts.text(strategy_id, field="strategy_id", longest=LONGEST_STRATEGY),
        status=PositionStatus.OPEN,
        simulated=simulated,
        spot_entry_price=amounts.price(spot_entry_price, field="spot_entry_price"),
        perp_entry_price=amounts.price(perp_entry_price, field="perp_entry_price"),
        spot_current_price=_known_price(spot_current_price, field="spot_current_price"),
        perp_current_price=_known_price(perp_current_price, field="perp_current_price"),
        spot_quantity=amounts.quantity(spot_quantity, field="spot_quantity"),
        perp_quantity=amounts.quantity(perp_quantity, field="perp_quantity"),
        leverage=amounts.leverage(leverage, field="leverage"),
        fees=amounts.fee(fees, field="fees"),
        funding_collected=amounts.ZERO,
    )
    return _add(
        position,
        Execution(
            FillLeg.SPOT,
            FillEffect.OPENING,
            position.spot_entry_price,
            position.spot_quantity,
            fee=position.fees,
        ),
        Execution(
            FillLeg.PERP, FillEffect.OPENING, position.perp_entry_price, position.perp_quantity
        ),
        account=account,
        at=at,
    )


def start_position(
    *,
    symbol: str,
    spot_price: Amount,
    perp_price: Amount,
    account: str = DEFAULT_ACCOUNT,
    strategy_id: str = "",
    leverage: Amount = 1,
    simulated: bool = False,
    position_id: UUID | None = None,
    at: datetime | None = None,
) -> Position:
    """Open a position that holds nothing yet: `record_fill` fills it, one leg at a time.

    The prices are those expected, and stand for the entry prices until the first fill. Raises as
    `open_position`.
    """
    position = Position(
        position_id=position_id or uuid4(),
        symbol=amounts.symbol(symbol),
        strategy_id=amounts.text(strategy_id, field="strategy_id", longest=LONGEST_STRATEGY),
        status=PositionStatus.OPEN,
        simulated=simulated,
        by_fills=True,
        spot_entry_price=amounts.price(spot_price, field="spot_price"),
        perp_entry_price=amounts.price(perp_price, field="perp_price"),
        spot_quantity=amounts.ZERO,
        perp_quantity=amounts.ZERO,
        leverage=amounts.leverage(leverage, field="leverage"),
        fees=amounts.ZERO,
        funding_collected=amounts.ZERO,
    )
    return _add(position, account=account, at=at)


def update_position(
    *,
    position_id: UUID | str,
    spot_current_price: Amount | None = None,
    perp_current_price: Amount | None = None,
    leverage: Amount | None = None,
    fees: Amount | None = None,
    strategy_id: str | None = None,
    seen_updated_at: datetime | None = None,
    at: datetime | None = None,
) -> Position:
    """Set what is given and compute the figures anew; `fees` is the whole sum paid so far.

    Raises PositionNotFound, PositionAlreadyClosed, InvalidInput, and StalePosition when the row
    is no longer the one of `seen_updated_at`, as the wire shows it.
    """
    changes: dict[str, Decimal | str | None] = {
        "spot_current_price": _known_price(spot_current_price, field="spot_current_price"),
        "perp_current_price": _known_price(perp_current_price, field="perp_current_price"),
        "leverage": None if leverage is None else amounts.leverage(leverage, field="leverage"),
        "fees": None if fees is None else amounts.fee(fees, field="fees"),
        "strategy_id": None
        if strategy_id is None
        else amounts.text(strategy_id, field="strategy_id", longest=LONGEST_STRATEGY),
    }
    given = {name: value for name, value in changes.items() if value is not None}
    with transaction.atomic():
        position = locks.lock_live_position(position_id)
        _require_seen(position, seen_updated_at)
        for name, value in given.items():
            setattr(position, name, value)
        if not given.keys().isdisjoint(PRICES):
            position.priced_at = timezone.now()
        _save(position, *given, at=at)
    return position


def reprice_positions(
    *,
    prices: Mapping[str, Prices],
    account: str = DEFAULT_ACCOUNT,
    simulated: bool | None = None,
    at: datetime | None = None,
) -> list[Position]:
    """Give every live position of these symbols its last prices; returns them, in order of keys.

    A price of None is unknown from now on, and so is the PnL that needs it.
    """
    known = {
        amounts.symbol(symbol): (
            _known_price(pair.spot, field="spot"),
            _known_price(pair.perp, field="perp"),
        )
        for symbol, pair in prices.items()
    }
    with transaction.atomic():
        positions = locks.lock_live_positions(account=account, symbols=known, simulated=simulated)
        moment = amounts.market_time(at)
        for position in positions:
            position.spot_current_price, position.perp_current_price = known[position.symbol]
            if None not in known[position.symbol]:
                position.priced_at = timezone.now()
            _save(position, *PRICES, at=moment)
    return positions


def _add(position: Position, *executions: Execution, account: str, at: datetime | None) -> Position:
    position.closed_pnl = amounts.ZERO
    position.spot_closed_quantity = position.perp_closed_quantity = amounts.ZERO
    refresh(position)
    with transaction.atomic():
        position.account = locks.lock_account(account)
        # After the lock, so that market times rise in the order of the decisions.
        position.opened_at = position.recorded_at = amounts.market_time(at)
        _require_trading(position.account, at=position.opened_at)
        if Position.objects.filter(pk=position.pk).exists():
            raise PositionExists(field="position_id", position_id=position.pk)
        position.priced_at = timezone.now()
        position.save(force_insert=True)
        write_fills(position, *executions, at=position.opened_at)
    return position


def _require_trading(account: Account, *, at: datetime) -> None:
    status = locks.lock_risk_status(account, at=at)
    end_pause_of_an_earlier_day(status, at=at)
    if status.status != RiskState.NORMAL:
        raise TradingPaused(account=account.pk, status=status.status, reason=status.message)


def _require_seen(position: Position, seen_updated_at: datetime | None) -> None:
    if seen_updated_at is None:
        return
    seen, present = isoformat(seen_updated_at), isoformat(position.updated_at)
    if seen != present:
        raise StalePosition(
            field="updated_at", position_id=position.pk, seen=seen, updated_at=present
        )


def _save(position: Position, *changed: str, at: datetime | None) -> None:
    refresh(position)
    position.recorded_at = amounts.market_time(at)
    position.save(update_fields=[*changed, *FIGURES, "priced_at", "recorded_at", "updated_at"])


def _known_price(value: Amount | None, *, field: str) -> Decimal | None:
    return None if value is None else amounts.price(value, field=field)
