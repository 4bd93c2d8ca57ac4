"""Tests of the `simulate` command: its options, its refusals, how it ends."""

from __future__ import annotations

import math
import os
import signal
import threading
from argparse import ArgumentTypeError
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from realtime.models import Event
from tests.trading.conftest import open_example
from tests.trading.simulation.markets import RECORDINGS, bars_at, write_market
from trading import services
from trading.models import Account, EquitySnapshot, Position
from trading.simulation.options import parse_bars, parse_seconds, parse_speed, parse_symbols
from trading.simulation.pace import paced, stop_on_signals


def simulate(*arguments: str) -> str:
    """Run the command; returns what it said."""
    said = StringIO()
    call_command("simulate", *arguments, stdout=said, stderr=said)
    return said.getvalue()


@pytest.mark.django_db
def test_a_random_market_of_some_bars_says_what_it_did(default_account: Account) -> None:
    said = simulate("--speed", "max", "--bars", "12", "--seed", "7", "--symbols", "BTC/USDT")
    assert "Simulating BTC/USDT with seed 7." in said
    assert "12 bars: 4 positions opened, 1 closed" in said
    assert EquitySnapshot.objects.count() == 12


@pytest.mark.django_db
def test_a_recording_is_replayed_to_its_end(default_account: Account, tmp_path: Path) -> None:
    lines = [
        f"{bar.time.isoformat()},BTC/USDT,100,{bar.quotes['BTC/USDT'].perp},0.0001"
        for bar in bars_at(["100.05"] * 15, every=timedelta(hours=8))
    ]
    said = simulate("--replay", str(write_market(tmp_path / "m.csv", *lines)), "--speed", "max")
    assert "15 bars" in said
    assert Position.objects.filter(symbol="BTC/USDT", simulated=True).exists()


@pytest.mark.django_db
def test_a_bad_recording_is_refused_before_anything_is_written(
    default_account: Account, tmp_path: Path
) -> None:
    path = write_market(tmp_path / "m.csv", "2023-01-01T00:00:00Z,BTC/USDT,1,1,", "nonsense")
    with pytest.raises(CommandError, match="line 3"):
        simulate("--replay", str(path), "--speed", "max")
    assert not EquitySnapshot.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "write_real_row", [open_example, lambda: services.record_equity(total_equity="1")]
)
def test_a_database_with_real_rows_is_refused(
    default_account: Account, write_real_row: Callable[[], object]
) -> None:
    write_real_row()
    events = Event.objects.count()
    with pytest.raises(CommandError, match="not simulated"):
        simulate("--speed", "max", "--bars", "1")
    assert Event.objects.count() == events


@pytest.mark.django_db
def test_an_unknown_account_is_refused(db: None) -> None:
    with pytest.raises(CommandError, match="no account 'nobody'"):
        simulate("--speed", "max", "--bars", "1", "--account", "nobody")


@pytest.mark.django_db
def test_time_that_is_up_ends_it(default_account: Account) -> None:
    said = simulate("--duration", "0.05", "--seed", "7")
    assert "1 bars" in said


@pytest.mark.django_db
def test_a_second_run_goes_on_after_the_first(default_account: Account) -> None:
    for _ in range(2):
        simulate("--speed", "max", "--bars", "5", "--seed", "7")
    times = [row.recorded_at for row in EquitySnapshot.objects.order_by("id")]
    assert len(times) == 10
    assert times == sorted(set(times))


@pytest.mark.django_db
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_after_the_bar_with_a_summary(
    default_account: Account, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.getsignal(number)
    read_equity = services.record_equity

    def interrupt(**values: Any) -> EquitySnapshot:
        os.kill(os.getpid(), number)
        return read_equity(**values)

    monkeypatch.setattr(services, "record_equity", interrupt)
    assert "1 bars" in simulate("--seed", "7")
    assert EquitySnapshot.objects.count() == 1
    assert signal.getsignal(number) is before


@pytest.mark.django_db
def test_a_replay_of_real_prices_makes_a_lively_stream(default_account: Account) -> None:
    path = RECORDINGS / "btc_eth_8h_2023h1.csv"
    if not path.exists():
        pytest.skip("the recorded market btc_eth_8h_2023h1.csv is not beside the project")
    simulate("--replay", str(path), "--speed", "max", "--seed", "7", "--bars", "60")
    # The whole recording is nine times as long: well over 5,000 events.
    assert Event.objects.count() > 700


def test_bars_come_until_enough_have_passed_or_it_is_stopped() -> None:
    bars = bars_at(["100"] * 5)
    stop = threading.Event()
    assert list(paced(bars, stop=stop)) == bars
    assert list(paced(bars, stop=stop, most_bars=2)) == bars[:2]
    taken = []
    for bar in paced(bars, stop=stop):
        taken.append(bar)
        if len(taken) == 3:
            stop.set()
    assert taken == bars[:3]


def test_signals_are_left_alone_outside_the_main_thread() -> None:
    seen: list[bool] = []

    def run() -> None:
        with stop_on_signals() as stop:
            seen.append(stop.is_set())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [False]


def test_options_are_read_or_refused_with_a_sentence() -> None:
    assert parse_speed("max") == math.inf
    assert parse_speed("2.5") == 2.5
    assert parse_seconds("90") == 90
    assert parse_bars("3") == 3
    assert parse_symbols("BTC/USDT, ETH/USDT,BTC/USDT") == ("BTC/USDT", "ETH/USDT")


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        *[(parse_speed, text) for text in ("fast", "0", "-1", "nan", "inf")],
        *[(parse_seconds, text) for text in ("soon", "0")],
        *[(parse_bars, text) for text in ("0", "1.5", "-1", "٣")],
        *[(parse_symbols, text) for text in ("", "BTC", "BTC/USDT,")],
    ],
)
def test_an_option_without_sense_is_refused(parse: Callable[[str], object], text: str) -> None:
    with pytest.raises(ArgumentTypeError, match=r"is no|is neither"):
        parse(text)
