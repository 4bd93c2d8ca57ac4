"""`simulate`: a trader on random or recorded prices, at a pace to watch or as fast as it goes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from random import SystemRandom
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from realtime import relay
from trading import selectors
from trading.errors import TradingError
from trading.models import DEFAULT_ACCOUNT
from trading.simulation.options import parse_bars, parse_seconds, parse_speed, parse_symbols
from trading.simulation.pace import paced, stop_on_signals
from trading.simulation.quotes import Bar
from trading.simulation.random_walk import DEFAULT_SYMBOLS, next_start, random_bars
from trading.simulation.recording import read_market
from trading.simulation.simulator import Simulator

SECONDS_A_BAR = 0.7
DRAIN_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Market:
    """What is traded: an endless random market, or a recording of `length` bars."""

    bars: Iterable[Bar]
    begins_at: datetime
    symbols: Sequence[str]
    length: int | None = None


class Command(BaseCommand):
    """Translates options into a market and a simulator, and shows how far they are."""

    help = (
        "Trade on random or recorded prices: opens, reprices, accrues funding, closes and "
        "records equity, which drives the risk engine. Ctrl-C stops it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """The options."""
        add = parser.add_argument
        add(
            "--replay",
            type=Path,
            metavar="FILE",
            help="recorded prices, CSV with the columns time,symbol,spot,perp,funding_rate "
            "(default: random prices without end)",
        )
        add(
            "--speed",
            type=parse_speed,
            default=1.0,
            metavar="FACTOR|max",
            help=f"times the usual pace, which is a bar each {SECONDS_A_BAR} seconds",
        )
        add(
            "--symbols",
            type=parse_symbols,
            default=(),
            metavar="A/B,C/D",
            help=f"what to trade (default: {','.join(DEFAULT_SYMBOLS)}; of a recording: all)",
        )
        add("--duration", type=parse_seconds, metavar="SECONDS", help="stop after so long")
        add("--bars", type=parse_bars, metavar="N", help="stop after so many bars")
        add("--seed", help="the same seed gives the same prices and trades")
        add("--account", default=DEFAULT_ACCOUNT, help="whose (default: %(default)s)")
        add(
            "--auto-resume",
            action="store_true",
            default=True,
            help="resume trading some time after a hard stop (this is the default)",
        )
        add("--no-auto-resume", action="store_false", dest="auto_resume")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until the market ends, the time is up, or somebody stops it."""
        seed = options["seed"] or str(SystemRandom().randrange(10**6))
        try:
            refuse_real_rows()
            market = choose_market(
                seed=seed,
                replay=options["replay"],
                symbols=options["symbols"],
                account=options["account"],
            )
            simulator = Simulator(
                account=options["account"],
                seed=seed,
                symbols=market.symbols,
                auto_resume=options["auto_resume"],
            )
            self.stdout.write(f"Simulating {', '.join(market.symbols)} with seed {seed}.")
            self._run(
                simulator,
                market,
                speed=options["speed"],
                most_bars=options["bars"],
                most_seconds=options["duration"],
            )
        except TradingError as error:
            raise CommandError(error.message) from None
        finally:
            if not relay.drain(deadline_seconds=DRAIN_SECONDS):
                self.stderr.write("Some events wait for a server process to hand them on.")
        self.stdout.write(summary(simulator))

    def _run(
        self,
        simulator: Simulator,
        market: Market,
        *,
        speed: float,
        most_bars: int | None,
        most_seconds: float | None,
    ) -> None:
        lengths = [length for length in (market.length, most_bars) if length is not None]
        with stop_on_signals() as stop, _progress() as progress:
            task = progress.add_task("", total=min(lengths, default=None))
            simulator.begin(at=market.begins_at)
            for bar in paced(
                market.bars,
                stop=stop,
                seconds_a_bar=SECONDS_A_BAR / speed,
                most_bars=most_bars,
                most_seconds=most_seconds,
            ):
                simulator.step(bar)
                progress.update(task, advance=1, description=f"{bar.time:%Y-%m-%d %H:%M}")


def refuse_real_rows() -> None:
    """Raises CommandError where somebody's real book is: nothing simulated goes between."""
    positions, readings = selectors.count_rows_that_are_not_simulated()
    if positions or readings:
        raise CommandError(
            f"This database holds {positions} positions and {readings} equity readings that are "
            "not simulated. Choose another one with DATABASE_URL."
        )


def choose_market(
    *, seed: str, replay: Path | None, symbols: Sequence[str], account: str
) -> Market:
    """The recording, or random prices; raises MarketFileError for a bad file."""
    if replay is not None:
        bars = read_market(replay, symbols=symbols)
        traded = sorted({symbol for bar in bars for symbol in bar.quotes})
        return Market(bars, begins_at=bars[0].time, symbols=traded, length=len(bars))
    newest = selectors.newest_equity(account=account)
    start = next_start(after=None if newest is None else newest.recorded_at)
    traded = list(symbols or DEFAULT_SYMBOLS)
    return Market(random_bars(seed=seed, symbols=traded, start=start), start, traded)


def summary(simulator: Simulator) -> str:
    """What was done, in a line."""
    counts = simulator.counts
    return (
        f"{counts['bars']} bars: {counts['opened']} positions opened, {counts['closed']} closed, "
        f"{counts['repriced']} repricings, {counts['paid']} funding payments, "
        f"{counts['readings']} equity readings, {counts['stopped']} stops. "
        f"Equity {simulator.book.equity:,.2f} USDT."
    )


def _progress() -> Progress:
    console = Console(stderr=True)
    return Progress(
        SpinnerColumn(),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        console=console,
        transient=True,
        # A log file has no use for a bar that moves.
        disable=not console.is_terminal,
    )
