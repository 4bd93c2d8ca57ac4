"""What the simulated account owns: its cash, and the positions that are not closed."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from uuid import UUID

from trading import amounts, selectors
from trading.models import Position, PositionStatus


class Book:
    """Equity as a broker would report it: cash and realised gains, and what positions are worth."""

    def __init__(self, *, cash: Decimal) -> None:
        self.cash = cash
        self.positions: dict[UUID, Position] = {}

    @property
    def equity(self) -> Decimal:
        """Cash, what positions have realised in parts, and their unrealised gain where known."""
        gains = [
            gain
            for position in self.positions.values()
            for gain in (position.unrealized_pnl, position.realized_pnl)
        ]
        total = self.cash + sum((gain for gain in gains if gain is not None), amounts.ZERO)
        return amounts.rounded(total, field="equity")

    def follow(self, live: Iterable[Position]) -> None:
        """Take the positions as the database has them now; others may have closed some."""
        now = {position.pk: position for position in live}
        gone = [key for key in self.positions if key not in now]
        self.positions = now
        for position in selectors.get_positions(gone) if gone else ():
            self._realize(position)

    def keep(self, positions: Iterable[Position]) -> None:
        """Take the new state of these positions."""
        for position in positions:
            if position.status == PositionStatus.CLOSED:
                self.positions.pop(position.pk, None)
                self._realize(position)
            else:
                self.positions[position.pk] = position

    def _realize(self, position: Position) -> None:
        if position.realized_pnl is not None:
            self.cash += position.realized_pnl
