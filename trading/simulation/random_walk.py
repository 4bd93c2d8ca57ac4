"""Random prices from a seed: the same seed gives the same market, digit by digit, everywhere.

Everything is drawn as whole numbers and computed in decimals, since floats differ by machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

from trading.simulation.quotes import Bar, Quote

BAR = timedelta(minutes=15)
FIRST_BAR = datetime(2024, 1, 1, tzinfo=UTC)
FUNDING_HOURS = 8
MILLION = 1_000_000

# Moves are in millionths of the price.
LARGEST_DRAW = 1_500
DRAWS = 4
BASIS_DRAW = 60
USUAL_BASIS = 400
BASIS_MEMORY = Decimal("0.95")
# Now and then perpetuals run away from spot: that is what pauses and stops trading.
BARS_BETWEEN_SQUEEZES = 350
SMALLEST_SQUEEZE = 5_000
LARGEST_SQUEEZE = 55_000
FUNDING_BASE = Decimal("0.0003")
LARGEST_FUNDING = Decimal("0.0075")
FUNDING_QUANTUM = Decimal("0.00000001")

STARTING_PRICES = {
    "BTC/USDT": Decimal("43250.00"),
    "ETH/USDT": Decimal("2310.00"),
    "SOL/USDT": Decimal("98.500"),
    "BNB/USDT": Decimal("312.00"),
    "XRP/USDT": Decimal("0.57150"),
}
OTHER_STARTING_PRICE = Decimal("25.000")
DEFAULT_SYMBOLS = tuple(STARTING_PRICES)


@dataclass(slots=True)
class _Walk:
    spot: Decimal
    basis: Decimal

    def move(self, random: Random, *, squeeze: int) -> None:
        """One bar further: the price drifts, the basis returns to what is usual."""
        drift = sum(random.randint(-LARGEST_DRAW, LARGEST_DRAW) for _ in range(DRAWS))
        moved = self.spot * (MILLION + drift) / MILLION
        # A price never falls below its smallest step.
        tick = Decimal(1).scaleb(int(self.spot.as_tuple().exponent))
        self.spot = max(moved.quantize(tick), tick)
        noise = random.randint(-BASIS_DRAW, BASIS_DRAW)
        away = (self.basis - USUAL_BASIS) * BASIS_MEMORY
        self.basis = (USUAL_BASIS + away + noise + squeeze).quantize(Decimal("0.01"))

    def quote(self, *, settles: bool) -> Quote:
        """The present prices; with the funding rate when it `settles` now."""
        perp = (self.spot * (MILLION + self.basis) / MILLION).quantize(self.spot)
        rate = FUNDING_BASE + self.basis / MILLION / FUNDING_HOURS
        clamped = max(-LARGEST_FUNDING, min(LARGEST_FUNDING, rate)).quantize(FUNDING_QUANTUM)
        return Quote(
            spot=self.spot,
            perp=max(perp, Decimal(1).scaleb(int(self.spot.as_tuple().exponent))),
            funding_rate=clamped if settles else None,
        )


def next_start(*, after: datetime | None) -> datetime:
    """When a random market begins: at a fixed time, or where the last simulation left off."""
    if after is None or after < FIRST_BAR:
        return FIRST_BAR
    return FIRST_BAR + ((after - FIRST_BAR) // BAR + 1) * BAR


def random_bars(*, seed: str, symbols: Sequence[str], start: datetime) -> Iterator[Bar]:
    """An endless market that begins at `start` (aware): a bar for each quarter of an hour."""
    random = Random(f"{seed}:market")
    walks = {
        symbol: _Walk(STARTING_PRICES.get(symbol, OTHER_STARTING_PRICE), Decimal(USUAL_BASIS))
        for symbol in symbols
    }
    time = start
    while True:
        settles = time.minute == 0 and time.hour % FUNDING_HOURS == 0
        squeeze = _squeeze(random)
        for walk in walks.values():
            walk.move(random, squeeze=squeeze)
        yield Bar(
            time=time,
            quotes={symbol: walk.quote(settles=settles) for symbol, walk in walks.items()},
        )
        time += BAR


def _squeeze(random: Random) -> int:
    if random.randrange(BARS_BETWEEN_SQUEEZES):
        return 0
    # The smaller of two draws: large ones are rare.
    return min(random.randint(SMALLEST_SQUEEZE, LARGEST_SQUEEZE) for _ in range(2))
