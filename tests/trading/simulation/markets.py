"""Markets that the simulation's tests trade on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from trading.simulation.quotes import Bar, Quote

HEADER = "time,symbol,spot,perp,funding_rate"
NEW_YEAR = datetime(2023, 1, 1, tzinfo=UTC)
RECORDINGS = Path(__file__).resolve().parents[4] / "shared" / "data"


def write_market(path: Path, *lines: str, header: str = HEADER) -> Path:
    """A recording with these lines."""
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def bars_at(
    perp_prices: Sequence[str],
    *,
    every: timedelta = timedelta(hours=1),
    funding_rate: str | None = None,
) -> list[Bar]:
    """Bars of BTC/USDT whose spot stays at 100 while the perpetual has these prices."""
    rate = None if funding_rate is None else Decimal(funding_rate)
    return [
        Bar(
            time=NEW_YEAR + index * every,
            quotes={"BTC/USDT": Quote(Decimal(100), Decimal(price), rate)},
        )
        for index, price in enumerate(perp_prices)
    ]
