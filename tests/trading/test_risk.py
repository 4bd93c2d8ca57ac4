"""Tests of trading.risk: the engine's decisions, without a database."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading import risk
from trading.risk import NORMAL, Baseline, Limits, Standing, Status

LIMITS = Limits(daily_loss=Decimal("0.03"), drawdown=Decimal("0.06"))
DAY = date(2024, 1, 15)
NEXT_DAY = date(2024, 1, 16)

readings = st.lists(
    st.tuples(st.integers(0, 2), st.decimals(1, 1000, places=2)), min_size=1, max_size=40
)


def at_equity(
    equity: str, *, peak: str = "100", day_start: str = "100", day: date = DAY
) -> risk.Figures:
    """The figures of a reading against this peak and this start of the day."""
    baseline = Baseline(Decimal(peak), Decimal(day_start), Decimal(day_start), day)
    return risk.measure(baseline=baseline, total_equity=Decimal(equity), day=day)


def decide(standing: Standing, figures: risk.Figures) -> Standing:
    """Decide with the usual limits."""
    return risk.decide(standing=standing, figures=figures, limits=LIMITS)


def test_losses_at_their_limits_change_nothing() -> None:
    assert decide(NORMAL, at_equity("97")) is NORMAL
    assert decide(NORMAL, at_equity("94", day_start="94")) is NORMAL


def test_a_daily_loss_above_its_limit_pauses_for_the_day() -> None:
    standing = decide(NORMAL, at_equity("96.99999999"))
    assert standing.status is Status.SOFT_PAUSE
    assert standing.paused_on == DAY
    assert "3.01 %" in standing.message
    assert "3 %" in standing.message


def test_a_drawdown_above_its_limit_stops() -> None:
    standing = decide(NORMAL, at_equity("93.99999999", day_start="94"))
    assert standing.status is Status.HARD_STOP
    assert standing.paused_on is None
    assert "6.01 %" in standing.message


def test_a_pause_becomes_a_stop_when_the_drawdown_grows() -> None:
    paused = decide(NORMAL, at_equity("96"))
    assert decide(paused, at_equity("93")).status is Status.HARD_STOP


def test_a_pause_lasts_the_day_even_when_the_loss_is_made_good() -> None:
    paused = decide(NORMAL, at_equity("96"))
    assert decide(paused, at_equity("101")) is paused


def test_a_pause_ends_with_the_next_day() -> None:
    paused = decide(NORMAL, at_equity("96"))
    assert decide(paused, at_equity("96", day_start="96", day=NEXT_DAY)) is NORMAL


def test_a_loss_on_the_next_day_pauses_that_day_too() -> None:
    paused = decide(NORMAL, at_equity("96.9"))
    again = decide(paused, at_equity("94", day_start="97", day=NEXT_DAY))
    assert again.status is Status.SOFT_PAUSE
    assert again.paused_on == NEXT_DAY


def test_a_stop_is_latched() -> None:
    stopped = Standing(Status.HARD_STOP, message="Stopped.")
    assert decide(stopped, at_equity("200", peak="200", day=NEXT_DAY)) is stopped


def test_the_first_reading_is_its_own_baseline() -> None:
    figures = risk.measure(baseline=None, total_equity=Decimal(100), day=DAY)
    assert figures.baseline == Baseline(Decimal(100), Decimal(100), Decimal(100), DAY)
    assert (figures.drawdown, figures.daily_loss) == (0, 0)


def test_a_day_starts_with_the_last_equity_of_the_day_before() -> None:
    baseline = Baseline(
        peak_equity=Decimal(120),
        day_start_equity=Decimal(110),
        total_equity=Decimal(100),
        day=DAY,
    )
    same_day = risk.measure(baseline=baseline, total_equity=Decimal(99), day=DAY)
    next_day = risk.measure(baseline=baseline, total_equity=Decimal(99), day=NEXT_DAY)
    assert (same_day.baseline.day_start_equity, same_day.daily_loss) == (110, Decimal("0.1"))
    assert (next_day.baseline.day_start_equity, next_day.daily_loss) == (100, Decimal("0.01"))


@given(readings)
def test_figures_of_any_readings_follow_their_definitions(
    steps: list[tuple[int, Decimal]],
) -> None:
    baseline: Baseline | None = None
    day = DAY
    seen: list[tuple[date, Decimal]] = []
    for days, equity in steps:
        day += timedelta(days=days)
        figures = risk.measure(baseline=baseline, total_equity=equity, day=day)
        baseline = figures.baseline
        before_today = [value for when, value in seen if when < day]
        seen.append((day, equity))
        today = [value for when, value in seen if when == day]
        start = before_today[-1] if before_today else today[0]
        assert baseline.peak_equity == max(value for _, value in seen)
        assert baseline.day_start_equity == start
        assert (figures.daily_loss > LIMITS.daily_loss) == (
            (start - equity) > LIMITS.daily_loss * start
        )
        assert (figures.drawdown > LIMITS.drawdown) == (
            (baseline.peak_equity - equity) > LIMITS.drawdown * baseline.peak_equity
        )


@given(readings)
def test_after_any_readings_a_stop_stays_and_a_pause_is_of_its_day(
    steps: list[tuple[int, Decimal]],
) -> None:
    baseline: Baseline | None = None
    standing, day = NORMAL, DAY
    for days, equity in steps:
        day += timedelta(days=days)
        figures = risk.measure(baseline=baseline, total_equity=equity, day=day)
        baseline = figures.baseline
        before, standing = standing, decide(standing, figures)
        if before.status is Status.HARD_STOP:
            assert standing is before
        elif figures.drawdown > LIMITS.drawdown:
            assert standing.status is Status.HARD_STOP
        elif standing.status is Status.SOFT_PAUSE:
            assert standing.paused_on == day
        else:
            assert figures.daily_loss <= LIMITS.daily_loss
            assert before.status is Status.NORMAL or before.paused_on != day


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        (datetime(2024, 1, 16, 0, 0, tzinfo=UTC), date(2024, 1, 16)),
        (datetime(2024, 1, 15, 23, 59, 59, tzinfo=UTC), date(2024, 1, 15)),
    ],
)
def test_days_begin_at_midnight_utc(moment: datetime, day: date) -> None:
    assert risk.trading_day(moment, day_starts_at=time(0)) == day


def test_days_may_begin_at_another_hour_and_count_in_utc() -> None:
    starts_at = time(22, 30)
    before = datetime(2024, 1, 16, 22, 29, tzinfo=UTC)
    in_tokyo = before.astimezone(timezone(timedelta(hours=9)))
    assert risk.trading_day(before, day_starts_at=starts_at) == date(2024, 1, 15)
    assert risk.trading_day(in_tokyo, day_starts_at=starts_at) == date(2024, 1, 15)
    after = before + timedelta(minutes=1)
    assert risk.trading_day(after, day_starts_at=starts_at) == date(2024, 1, 16)
