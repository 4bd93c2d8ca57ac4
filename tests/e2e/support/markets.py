"""The market that is replayed: recorded prices where they are, generated ones elsewhere."""

from __future__ import annotations

import csv
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.e2e.support.processes import ROOT

RECORDED = ROOT.parent / "shared" / "data" / "btc_eth_8h_2023h1.csv"
COLUMNS = ("time", "symbol", "spot", "perp", "funding_rate")
FIRST = datetime(2023, 1, 1, tzinfo=UTC)
STEP = timedelta(hours=8)
STEPS = 543
FIRST_PRICES = {"BTC/USDT": 16526.19, "ETH/USDT": 1195.06}


def find_market(folder: Path) -> Path:
    """The recording, or a generated market of the same length in `folder`."""
    return RECORDED if RECORDED.exists() else generate_market(folder / "market.csv")


def generate_market(path: Path) -> Path:
    """Write random walks in the format of the recording; the same each time."""
    chance = random.Random(1)
    prices = dict(FIRST_PRICES)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for step in range(STEPS):
            time = FIRST + step * STEP
            for symbol in prices:
                prices[symbol] *= 1 + chance.gauss(0, 0.012)
                perp = prices[symbol] * (1 + chance.gauss(0, 0.0003))
                rate = f"{chance.gauss(0.0001, 0.00005):.8f}"
                row = (f"{prices[symbol]:.2f}", f"{perp:.2f}", rate)
                writer.writerow((f"{time:%Y-%m-%dT%H:%M:%SZ}", symbol, *row))
    return path
