"""Recorded markets: a file of real prices, checked as a whole, as bars to trade on."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path

from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_naive

from trading import amounts
from trading.errors import InvalidInput, InvalidText, TradingError
from trading.simulation.quotes import Bar, Quote

COLUMNS = ("time", "symbol", "spot", "perp", "funding_rate")


class MarketFileError(TradingError):
    """{place}: {problem}"""

    code = "market_file"


@dataclass(frozen=True, slots=True)
class _Row:
    time: datetime
    symbol: str
    quote: Quote
    line: int


def read_market(path: Path, *, symbols: Sequence[str] = ()) -> list[Bar]:
    """The bars of a recording, of these symbols or of all; raises MarketFileError.

    The whole file is checked first: a bad line is named before anything is traded.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(_read_rows(csv.reader(file), path))
    except OSError as error:
        raise MarketFileError(place=path, problem=error.strerror or "cannot be read") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise MarketFileError(place=path, problem=f"is no CSV text: {error}") from None
    present = {row.symbol for row in rows}
    for symbol in symbols:
        if symbol not in present:
            problem = f"has no {symbol}; it has {', '.join(sorted(present)) or 'no rows'}"
            raise MarketFileError(place=path, problem=problem)
    if not rows:
        raise MarketFileError(place=path, problem="has no rows")
    return list(_to_bars(rows, wanted=frozenset(symbols) or frozenset(present), path=path))


def _read_rows(lines: Iterator[list[str]], path: Path) -> Iterator[_Row]:
    header = next(lines, [])
    if tuple(header) != COLUMNS:
        problem = f"the columns have to be {','.join(COLUMNS)}; they are {','.join(header)}"
        raise MarketFileError(place=f"{path}, line 1", problem=problem)
    for number, cells in enumerate(lines, start=2):
        if not cells:
            continue
        if len(cells) != len(COLUMNS):
            problem = f"{len(cells)} values where {len(COLUMNS)} belong"
            raise MarketFileError(place=f"{path}, line {number}", problem=problem)
        try:
            yield _read_row(cells, number)
        except InvalidInput as error:
            raise MarketFileError(place=f"{path}, line {number}", problem=error.message) from None


def _read_row(cells: list[str], line: int) -> _Row:
    time, symbol, spot, perp, funding_rate = (cell.strip() for cell in cells)
    quote = Quote(
        spot=amounts.price(spot, field="spot"),
        perp=amounts.price(perp, field="perp"),
        funding_rate=amounts.exact(funding_rate, field="funding_rate") if funding_rate else None,
    )
    return _Row(time=_read_time(time), symbol=amounts.symbol(symbol), quote=quote, line=line)


def _read_time(text: str) -> datetime:
    try:
        time = parse_datetime(text)
    except ValueError:
        time = None
    if time is None or is_naive(time):
        problem = "it must be ISO 8601 with a time zone, such as 2023-01-01T00:00:00Z"
        raise InvalidText(field="time", value=text, problem=problem)
    return time


def _to_bars(rows: list[_Row], *, wanted: frozenset[str], path: Path) -> Iterator[Bar]:
    previous: datetime | None = None
    for time, group in groupby(rows, key=lambda row: row.time):
        quotes: dict[str, Quote] = {}
        for row in group:
            place = f"{path}, line {row.line}"
            if previous is not None and time <= previous:
                problem = f"{time.isoformat()} comes after {previous.isoformat()}"
                raise MarketFileError(place=place, problem=problem)
            if row.symbol in quotes:
                problem = f"a second row of {row.symbol} for {time.isoformat()}"
                raise MarketFileError(place=place, problem=problem)
            quotes[row.symbol] = row.quote
        previous = time
        chosen = {symbol: quote for symbol, quote in quotes.items() if symbol in wanted}
        if chosen:
            yield Bar(time=time, quotes=chosen)
