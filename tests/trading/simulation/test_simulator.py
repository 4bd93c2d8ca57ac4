"""Tests of the simulator: turnover, the executor, the risk engine in the loop."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from itertools import islice

import pytest
from django.db.models import Sum

from realtime.models import Event
from tests.trading.conftest import ReadEvents
from tests.trading.simulation.markets import NEW_YEAR, bars_at
from trading import services
from trading.errors import AccountNotFound, ReadingOutOfOrder, TradingPaused
from trading.models import (
    Account,
    EquitySnapshot,
    FundingPayment,
    Position,
    RiskChange,
    RiskStatus,
)
from trading.simulation.quotes import Bar
from trading.simulation.random_walk import FIRST_BAR, random_bars
from trading.simulation.simulator import BARS_BEFORE_RESUMING, Simulator

pytestmark = pytest.mark.django_db


def simulate(
    bars: list[Bar], *, seed: str = "7", auto_resume: bool = True, account: str = "default"
) -> Simulator:
    """Run these bars."""
    symbols = sorted({symbol for bar in bars for symbol in bar.quotes})
    simulator = Simulator(account=account, seed=seed, symbols=symbols, auto_resume=auto_resume)
    simulator.begin(at=bars[0].time)
    for bar in bars:
        simulator.step(bar)
    return simulator


def random_market(count: int, seed: str = "7") -> list[Bar]:
    """The beginning of a random market in two symbols."""
    symbols = ["BTC/USDT", "ETH/USDT"]
    return list(islice(random_bars(seed=seed, symbols=symbols, start=FIRST_BAR), count))


def outcome() -> list[tuple[object, ...]]:
    """What a run wrote, apart from the wall clock."""
    positions = Position.objects.order_by("pk").values_list(
        "pk", "symbol", "status", "spot_quantity", "unrealized_pnl", "realized_pnl", "opened_at"
    )
    readings = EquitySnapshot.objects.order_by("id").values_list("total_equity", "recorded_at")
    return [*positions, *readings]


def test_a_run_opens_reprices_pays_closes_and_reads(
    default_account: Account, new_events: ReadEvents
) -> None:
    simulator = simulate(random_market(70))
    counts = simulator.counts
    assert counts["bars"] == counts["readings"] == EquitySnapshot.objects.count() == 70
    assert counts["opened"] == Position.objects.count() > counts["closed"] > 0
    assert counts["closed"] == Position.objects.filter(status="closed").count()
    assert counts["paid"] == FundingPayment.objects.count() > 0
    kinds = {(name, action) for name, action, _ in new_events()}
    assert {
        ("position_update", "created"),
        ("position_update", "updated"),
        ("position_update", "closed"),
        ("equity_update", "created"),
        ("risk_status_update", "updated"),
        ("system_log", "created"),
    } <= kinds


def test_everything_it_writes_is_marked(default_account: Account) -> None:
    simulate(random_market(10))
    assert Position.objects.exists()
    assert not Position.objects.filter(simulated=False).exists()
    assert not EquitySnapshot.objects.filter(simulated=False).exists()


def test_equity_is_the_capital_and_the_gains_of_every_position(default_account: Account) -> None:
    simulator = simulate(random_market(70))
    rows = Position.objects.all()
    gains = sum((row.realized_pnl or row.unrealized_pnl or Decimal(0)) for row in rows)
    newest = EquitySnapshot.objects.latest("id").total_equity
    assert newest == simulator.book.equity == 100_000 + gains


def test_the_same_seed_trades_the_same(default_account: Account) -> None:
    simulate(random_market(40))
    first = outcome()
    Position.objects.all().delete()
    default_account.delete()
    simulate(random_market(40))
    assert outcome() == first
    assert Position.objects.exists()


def test_a_squeeze_stops_trading_closes_everything_and_goes_on(
    default_account: Account, new_events: ReadEvents
) -> None:
    calm, squeezed = ["100.05"] * 20, ["106"] * (BARS_BEFORE_RESUMING + 4)
    simulator = simulate(bars_at([*calm, *squeezed]))
    assert simulator.counts["stopped"] == 1
    assert RiskChange.objects.get(new_status="hard_stop").made_by == "risk engine"
    closed = Position.objects.filter(close_reason="hard_stop")
    assert closed.exists()
    assert {row.status for row in closed} == {"closed"}
    resumed = RiskChange.objects.get(new_status="normal")
    assert (resumed.made_by, resumed.reason) == ("simulator", "The simulation goes on.")
    assert RiskStatus.objects.get().status == "normal"
    closing = {
        data["position_id"] for _, _, data in new_events() if data.get("status") == "closing"
    }
    assert closing == {str(row.pk) for row in closed}


def test_without_auto_resume_a_stop_stays(default_account: Account) -> None:
    prices = ["100.05"] * 20 + ["106"] * (BARS_BEFORE_RESUMING + 10)
    simulator = simulate(bars_at(prices), auto_resume=False)
    assert RiskStatus.objects.get().status == "hard_stop"
    assert not simulator.book.positions
    with pytest.raises(TradingPaused):
        simulate(bars_at(["100"]), auto_resume=False)


def test_a_soft_pause_keeps_positions_and_ends_with_the_market_day(
    default_account: Account,
) -> None:
    day = bars_at(["100.05"] * 12 + ["103.3"] * 90, every=timedelta(minutes=15))
    simulator = simulate(day[:60])
    assert RiskStatus.objects.get().status == "soft_pause"
    assert simulator.counts["paused"] > 0
    assert simulator.book.positions
    opened = simulator.counts["opened"]
    for bar in day[60:]:
        simulator.step(bar)
    assert RiskStatus.objects.get().status == "normal"
    assert simulator.counts["opened"] > opened


def test_a_person_may_close_its_positions(default_account: Account) -> None:
    simulator = simulate(bars_at(["100.05"] * 12))
    victim = Position.objects.filter(status="open")[0]
    services.close_position(
        position_id=victim.pk,
        spot_exit_price="110",
        perp_exit_price="100",
        at=NEW_YEAR + timedelta(hours=12),
    )
    simulator.step(bars_at(["100.05"] * 13)[12])
    realized = Position.objects.filter(status="closed").aggregate(sum=Sum("realized_pnl"))["sum"]
    assert victim.pk not in simulator.book.positions
    assert simulator.book.cash == 100_000 + realized


def test_it_executes_positions_that_a_person_stopped(default_account: Account) -> None:
    simulator = simulate(bars_at(["100.05"] * 12))
    assert simulator.book.positions
    services.hard_stop(reason="Fire.", at=NEW_YEAR + timedelta(hours=12))
    simulator.step(bars_at(["100.05"] * 13)[12])
    assert not Position.objects.exclude(status="closed").exists()


def test_a_pause_by_the_wall_clock_does_not_last_for_ever(default_account: Account) -> None:
    simulator = simulate(bars_at(["100.05"] * 12))
    services.soft_pause(reason="Lunch.")
    for bar in bars_at(["100.05"] * (14 + BARS_BEFORE_RESUMING))[12:]:
        simulator.step(bar)
    assert RiskStatus.objects.get().status == "normal"


def test_a_reading_by_the_wall_clock_does_not_end_it(default_account: Account) -> None:
    bars = bars_at(["100.05"] * 13)
    simulator = simulate(bars[:12])
    services.record_equity(total_equity="100000", simulated=True)
    simulator.step(bars[12])
    assert EquitySnapshot.objects.latest("id").recorded_at == bars[12].time
    simulator.auto_resume = False
    services.record_equity(total_equity="100000", simulated=True)
    with pytest.raises(ReadingOutOfOrder):
        simulator.step(bars[12])


def test_a_second_run_starts_flat_from_the_equity_of_the_first(default_account: Account) -> None:
    first = simulate(random_market(30))
    left = set(first.book.positions)
    assert left
    second = Simulator(account="default", seed="8", symbols=["BTC/USDT"])
    second.begin(at=NEW_YEAR)
    assert second.book.equity == first.book.equity
    assert not Position.objects.exclude(status="closed").exists()
    assert Position.objects.filter(close_reason="left by an earlier run").count() == len(left)
    # Earlier than the first run's market, and the risk engine takes its readings all the same.
    second.step(bars_at(["100.05"])[0])
    assert EquitySnapshot.objects.latest("id").recorded_at == NEW_YEAR


def test_two_runs_with_one_seed_make_different_positions(default_account: Account) -> None:
    simulate(random_market(20))
    before = Position.objects.count()
    simulate(random_market(20))
    assert Position.objects.count() == 2 * before


def test_it_needs_an_account_that_exists(db: None) -> None:
    with pytest.raises(AccountNotFound):
        simulate(random_market(1), account="nobody")


def test_real_positions_of_the_account_are_left_alone(default_account: Account) -> None:
    real = services.open_position(
        symbol="BTC/USDT",
        spot_entry_price="100",
        perp_entry_price="100",
        spot_quantity="1",
        perp_quantity="1",
        at=NEW_YEAR,
    )
    simulate(bars_at(["100.05"] * 12, funding_rate="0.0001"))
    stored = Position.objects.get(pk=real.pk)
    assert (stored.spot_current_price, stored.funding_collected) == (None, 0)
    assert not Event.objects.filter(key=str(real.pk)).exclude(action="created").exists()
