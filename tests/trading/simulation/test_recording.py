"""Tests of recorded markets: what is read, and how a bad file is named."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.trading.simulation.markets import HEADER, NEW_YEAR, RECORDINGS, write_market
from trading.simulation.quotes import Quote
from trading.simulation.recording import MarketFileError, read_market

GOOD = "2023-01-01T00:00:00Z,BTC/USDT,16526.19,16519.6,0.0001"


def test_rows_of_one_time_are_one_bar(tmp_path: Path) -> None:
    path = write_market(
        tmp_path / "market.csv",
        GOOD,
        "2023-01-01T00:00:00Z,ETH/USDT,1195.06,1195.07,",
        "2023-01-01T08:00:00Z,BTC/USDT,16558.73,16553.1,-0.0001",
    )
    bars = read_market(path)
    assert [bar.time.hour for bar in bars] == [0, 8]
    assert bars[0].time == NEW_YEAR
    assert bars[0].quotes == {
        "BTC/USDT": Quote(Decimal("16526.19"), Decimal("16519.6"), Decimal("0.0001")),
        "ETH/USDT": Quote(Decimal("1195.06"), Decimal("1195.07"), None),
    }
    assert bars[1].quotes["BTC/USDT"].funding_rate == Decimal("-0.0001")


def test_symbols_can_be_chosen(tmp_path: Path) -> None:
    path = write_market(
        tmp_path / "market.csv", GOOD, "2023-01-01T08:00:00Z,ETH/USDT,1195.06,1195.07,"
    )
    assert [list(bar.quotes) for bar in read_market(path, symbols=["ETH/USDT"])] == [["ETH/USDT"]]
    with pytest.raises(MarketFileError, match="has no SOL/USDT; it has BTC/USDT, ETH/USDT"):
        read_market(path, symbols=["SOL/USDT"])


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("2023-01-01T08:00:00Z,BTC/USDT,1,1", "4 values where 5 belong"),
        ("yesterday,BTC/USDT,1,1,", "time is 'yesterday': it must be ISO 8601"),
        ("2023-01-01T08:00:00,BTC/USDT,1,1,", "with a time zone"),
        ("2023-13-01T08:00:00Z,BTC/USDT,1,1,", "it must be ISO 8601"),
        ("2023-01-01T08:00:00Z,BTCUSDT,1,1,", "'BTCUSDT' is no symbol"),
        ("2023-01-01T08:00:00Z,BTC/USDT,0,1,", "spot is '0': it must be above zero"),
        ("2023-01-01T08:00:00Z,BTC/USDT,1,nan,", "perp is 'nan': it must be a finite number"),
        ("2023-01-01T08:00:00Z,BTC/USDT,1,1,much", "funding_rate is 'much'"),
        ("2022-12-31T08:00:00Z,BTC/USDT,1,1,", "comes after 2023-01-01"),
        (GOOD, "a second row of BTC/USDT"),
    ],
)
def test_a_bad_line_is_named_with_its_file_and_number(
    tmp_path: Path, line: str, problem: str
) -> None:
    path = write_market(tmp_path / "market.csv", GOOD, line)
    with pytest.raises(MarketFileError) as refusal:
        read_market(path)
    assert refusal.value.message.startswith(f"{path}, line 3: ")
    assert problem in refusal.value.message


def test_other_columns_are_refused(tmp_path: Path) -> None:
    path = write_market(tmp_path / "market.csv", GOOD, header="time,price")
    with pytest.raises(MarketFileError, match=f"line 1: the columns have to be {HEADER}"):
        read_market(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(MarketFileError, match="No such file"):
        read_market(tmp_path / "nowhere.csv")
    with pytest.raises(MarketFileError, match="has no rows"):
        read_market(write_market(tmp_path / "empty.csv"))
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MarketFileError, match="is no CSV text"):
        read_market(tmp_path / "binary.csv")


@pytest.mark.parametrize(
    ("name", "bars", "symbols"),
    [
        ("btc_eth_8h_2023h1.csv", 543, {"BTC/USDT", "ETH/USDT"}),
        ("btc_1h_2021q3.csv", 2199, {"BTC/USDT"}),
    ],
)
def test_the_recorded_markets_are_read(name: str, bars: int, symbols: set[str]) -> None:
    path = RECORDINGS / name
    if not path.exists():
        pytest.skip(f"the recorded market {name} is not beside the project")
    market = read_market(path)
    assert len(market) == bars
    assert {symbol for bar in market for symbol in bar.quotes} == symbols
