"""When the simulated trader opens and closes: strategies, each with a place in each symbol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from random import Random
from uuid import UUID

from trading.simulation.quotes import Quote

# What all positions together are worth, as a multiple of the equity.
EXPOSURE = Decimal("1.5")
LEVERAGE = 3
FEE_RATE = Decimal("0.0001")
FEE_QUANTUM = Decimal("0.0001")
QUANTITY_QUANTUM = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class Strategy:
    """How long a strategy holds a position and rests after it, in bars."""

    name: str
    shortest: int
    longest: int
    rest: int


STRATEGIES = (
    Strategy("carry-core", shortest=80, longest=240, rest=12),
    Strategy("carry-swing", shortest=24, longest=80, rest=8),
    Strategy("basis-fast", shortest=6, longest=24, rest=4),
)


@dataclass(slots=True)
class Place:
    """One strategy in one symbol: a position, or the wait for the next."""

    strategy: Strategy
    symbol: str
    bars_left: int
    position_id: UUID | None = None


class Trader:
    """Decides from a seed; it neither reads nor writes the database."""

    def __init__(self, *, seed: str, symbols: Sequence[str]) -> None:
        self._random = Random(f"{seed}:trader")
        self.places = [
            Place(strategy, symbol, bars_left=self._random.randrange(strategy.rest))
            for strategy in STRATEGIES
            for symbol in symbols
        ]

    def count_bar(self) -> None:
        """Every wait is one bar shorter."""
        for place in self.places:
            place.bars_left -= 1

    def forget(self, live: frozenset[UUID]) -> None:
        """Rest where a position is gone that the trader did not close itself."""
        for place in self.places:
            if place.position_id is not None and place.position_id not in live:
                self.rest(place)

    def due_to_close(self) -> Iterator[Place]:
        """The places whose position has been held long enough."""
        return (place for place in self.places if place.position_id and place.bars_left <= 0)

    def due_to_open(self) -> Iterator[Place]:
        """The places that have rested long enough."""
        return (place for place in self.places if not place.position_id and place.bars_left <= 0)

    def hold(self, place: Place, position_id: UUID) -> None:
        """Hold a new position for a random time."""
        place.position_id = position_id
        place.bars_left = self._random.randint(place.strategy.shortest, place.strategy.longest)

    def rest(self, place: Place) -> None:
        """Wait a random time before the next position."""
        place.position_id = None
        place.bars_left = self._random.randint(1, place.strategy.rest)

    def size(self, *, equity: Decimal, quote: Quote) -> Decimal:
        """The quantity of a new position; zero when the equity is too small for one."""
        value = equity * EXPOSURE / len(self.places)
        return max((value / quote.spot).quantize(QUANTITY_QUANTUM, ROUND_DOWN), Decimal(0))


def fees(*, quantity: Decimal, quote: Quote) -> Decimal:
    """What trading both legs costs."""
    return (quantity * (quote.spot + quote.perp) * FEE_RATE).quantize(FEE_QUANTUM)
