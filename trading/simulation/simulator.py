"""Runs a market through the services: the trader, the executor, funding and equity, bar by bar."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID, uuid5

from django.db import transaction

from realtime.system_log import publish_log
from trading import selectors, services
from trading.errors import PositionAlreadyClosed, ReadingOutOfOrder, TradingPaused
from trading.models import Position, PositionStatus, RiskState, RiskStatus
from trading.services.standing import trading_day
from trading.simulation.book import Book
from trading.simulation.quotes import Bar, Quote
from trading.simulation.trader import LEVERAGE, Place, Trader, fees

MODULE = "trading.simulator"
MADE_BY = "simulator"
IDS = UUID("5d0a3f4e-2f0c-5b77-9d2c-0a4a7a1f4c11")
BARS_BEFORE_RESUMING = 24


class Simulator:
    """One simulated account on one market; `begin` once, then `step` with each bar."""

    def __init__(
        self, *, account: str, seed: str, symbols: Sequence[str], auto_resume: bool = True
    ) -> None:
        self.account = account
        self.seed = seed
        self.auto_resume = auto_resume
        self.trader = Trader(seed=seed, symbols=symbols)
        self.book = Book(cash=Decimal(0))
        self.counts: Counter[str] = Counter()
        self._quotes: dict[str, Quote] = {}
        self._bars_stopped = 0
        self._serial = 0

    def begin(self, *, at: datetime) -> None:
        """Start from the account's newest equity, without positions, at market time `at`.

        Closes what an earlier run left open. Raises AccountNotFound, and TradingPaused when the
        account is stopped and may not be resumed.
        """
        self._serial = selectors.count_positions(account=self.account)
        self.book.cash = selectors.newest_total_equity(account=self.account)
        for position in selectors.list_live_positions(account=self.account, simulated=True):
            left = Quote(
                spot=position.spot_current_price or position.spot_entry_price,
                perp=position.perp_current_price or position.perp_entry_price,
            )
            self._close(position, left, fee=Decimal(0), reason="left by an earlier run", at=at)
        status = selectors.risk_status(account=self.account)
        is_later = status.day is not None and status.day > trading_day(at)
        if status.status != RiskState.NORMAL and not self.auto_resume:
            raise TradingPaused(account=self.account, status=status.status, reason=status.message)
        if is_later or status.status != RiskState.NORMAL:
            self._restart_measuring("A simulation starts over.", at=at)

    def step(self, bar: Bar) -> None:
        """Trade one bar: prices, the executor, funding, the trader, and what it is worth then."""
        self.counts["bars"] += 1
        self._quotes.update(bar.quotes)
        self._reprice(bar)
        self._execute_closing(bar)
        self._settle_funding(bar)
        self._trade(bar)
        self._record_equity(bar)
        self._resume_after_a_while(bar)

    def _reprice(self, bar: Bar) -> None:
        prices = {
            symbol: services.Prices(spot=quote.spot, perp=quote.perp)
            for symbol, quote in self._quotes.items()
        }
        live = services.reprice_positions(
            prices=prices, account=self.account, simulated=True, at=bar.time
        )
        self.counts["repriced"] += len(live)
        self.book.follow(live)
        self.trader.forget(frozenset(self.book.positions))

    def _execute_closing(self, bar: Bar) -> None:
        for position in list(self.book.positions.values()):
            if position.status == PositionStatus.CLOSING:
                self._close_at_market(position, reason="", at=bar.time)
        self.trader.forget(frozenset(self.book.positions))

    def _settle_funding(self, bar: Bar) -> None:
        rates = {
            symbol: quote.funding_rate
            for symbol, quote in bar.quotes.items()
            if quote.funding_rate is not None
        }
        if rates:
            paid = services.settle_funding(
                rates=rates, account=self.account, simulated=True, at=bar.time
            )
            self.counts["paid"] += len(paid)
            self.book.keep(paid)

    def _trade(self, bar: Bar) -> None:
        self.trader.count_bar()
        for place in list(self.trader.due_to_close()):
            if place.position_id is not None:
                position = self.book.positions[place.position_id]
                self._close_at_market(position, reason="held long enough", at=bar.time)
                self.trader.rest(place)
        try:
            for place in list(self.trader.due_to_open()):
                if place.symbol in bar.quotes:
                    self._open(place, bar.quotes[place.symbol], at=bar.time)
        except TradingPaused:
            # Every place waits until the risk engine lets it open again.
            self.counts["paused"] += 1

    def _open(self, place: Place, quote: Quote, *, at: datetime) -> None:
        quantity = self.trader.size(equity=self.book.equity, quote=quote)
        if not quantity:
            return
        with transaction.atomic():
            position = services.open_position(
                position_id=self._next_id(),
                account=self.account,
                symbol=place.symbol,
                strategy_id=place.strategy.name,
                spot_entry_price=quote.spot,
                perp_entry_price=quote.perp,
                spot_current_price=quote.spot,
                perp_current_price=quote.perp,
                spot_quantity=quantity,
                perp_quantity=quantity,
                leverage=LEVERAGE,
                fees=fees(quantity=quantity, quote=quote),
                simulated=True,
                at=at,
            )
            self._log(f"Opened {quantity} {place.symbol} for {place.strategy.name}.")
        self.counts["opened"] += 1
        self.book.keep([position])
        self.trader.hold(place, position.pk)

    def _close_at_market(self, position: Position, *, reason: str, at: datetime) -> None:
        quote = self._quotes[position.symbol]
        fee = fees(quantity=position.perp_quantity, quote=quote)
        closed = self._close(position, quote, fee=fee, reason=reason, at=at)
        if closed is not None:
            self.book.keep([closed])

    def _close(
        self, position: Position, quote: Quote, *, fee: Decimal, reason: str, at: datetime
    ) -> Position | None:
        try:
            with transaction.atomic():
                closed = services.close_position(
                    position_id=position.pk,
                    spot_exit_price=quote.spot,
                    perp_exit_price=quote.perp,
                    fees=fee,
                    reason=reason,
                    at=at,
                )
                gain = f"{closed.realized_pnl:+.2f}"
                self._log(f"Closed {closed.symbol} of {closed.strategy_id}: {gain} USDT.")
        except PositionAlreadyClosed:
            # Somebody was faster; the book sees it with the next bar.
            return None
        self.counts["closed"] += 1
        return closed

    def _record_equity(self, bar: Bar) -> None:
        try:
            self._read_equity(at=bar.time)
        except ReadingOutOfOrder:
            # Somebody recorded equity by the wall clock: this market is at another time.
            if not self.auto_resume:
                raise
            self._restart_measuring("The simulation goes on at its own time.", at=bar.time)
            self._read_equity(at=bar.time)

    def _read_equity(self, *, at: datetime) -> None:
        services.record_equity(
            total_equity=self.book.equity, account=self.account, simulated=True, at=at
        )
        self.counts["readings"] += 1

    def _resume_after_a_while(self, bar: Bar) -> None:
        status = selectors.risk_status(account=self.account)
        if not self._is_stuck(status, at=bar.time):
            self._bars_stopped = 0
            return
        self._bars_stopped += 1
        if self._bars_stopped == 1:
            self.counts["stopped"] += 1
            self._log(f"Trading is stopped: {status.message}", level="WARNING")
        if self._bars_stopped > BARS_BEFORE_RESUMING and self.auto_resume:
            services.resume_trading(
                reason="The simulation goes on.",
                account=self.account,
                made_by=MADE_BY,
                at=bar.time,
            )
            self._log("Trading is resumed by the simulator.")

    def _is_stuck(self, status: RiskStatus, *, at: datetime) -> bool:
        """Whether the status does not end by itself with this market's day."""
        if status.status == RiskState.HARD_STOP:
            return True
        return status.paused_on is not None and status.paused_on > trading_day(at)

    def _restart_measuring(self, reason: str, *, at: datetime) -> None:
        services.restart_measuring(reason=reason, account=self.account, made_by=MADE_BY, at=at)

    def _next_id(self) -> UUID:
        while True:
            self._serial += 1
            key = uuid5(IDS, f"{self.account}/{self.seed}/{self._serial}")
            if not selectors.position_exists(key):
                return key

    def _log(self, message: str, *, level: str = "INFO") -> None:
        publish_log(level=level, message=message, module=MODULE)
