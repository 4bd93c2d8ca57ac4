"""The risk engine as pure decisions: figures and limits in, the next status out; no database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum

from trading import pnl


class Status(StrEnum):
    """What an account may do."""

    NORMAL = "normal"
    SOFT_PAUSE = "soft_pause"
    HARD_STOP = "hard_stop"


@dataclass(frozen=True, slots=True)
class Limits:
    """The losses, as fractions, above which trading pauses and stops."""

    daily_loss: Decimal
    drawdown: Decimal


@dataclass(frozen=True, slots=True)
class Baseline:
    """What losses are measured against, as of the newest reading."""

    peak_equity: Decimal
    day_start_equity: Decimal
    total_equity: Decimal
    day: date


@dataclass(frozen=True, slots=True)
class Figures:
    """One reading of equity, measured."""

    baseline: Baseline
    drawdown: Decimal
    daily_loss: Decimal


@dataclass(frozen=True, slots=True)
class Standing:
    """The status in force, and the trading day that a pause belongs to."""

    status: Status
    paused_on: date | None = None
    message: str = ""


NORMAL = Standing(status=Status.NORMAL, message="Trading normally.")


def trading_day(at: datetime, *, day_starts_at: time) -> date:
    """The trading day that `at` falls into, named by the date on which it began (UTC)."""
    start = timedelta(hours=day_starts_at.hour, minutes=day_starts_at.minute)
    return (at.astimezone(UTC) - start).date()


def measure(*, baseline: Baseline | None, total_equity: Decimal, day: date) -> Figures:
    """Hold a reading against the one before it.

    The first reading is its own baseline. A day starts with the last equity before it, so that a
    loss over the boundary counts. The peak is the highest equity ever read.
    """
    if baseline is None:
        following = Baseline(total_equity, total_equity, total_equity, day)
    else:
        same_day = day == baseline.day
        following = Baseline(
            peak_equity=max(baseline.peak_equity, total_equity),
            day_start_equity=baseline.day_start_equity if same_day else baseline.total_equity,
            total_equity=total_equity,
            day=day,
        )
    return Figures(
        baseline=following,
        drawdown=pnl.drawdown(peak=following.peak_equity, equity=total_equity),
        daily_loss=pnl.daily_loss(day_start=following.day_start_equity, equity=total_equity),
    )


def decide(*, standing: Standing, figures: Figures, limits: Limits) -> Standing:
    """The standing after a reading: a stop is latched, a pause ends with its day.

    Returns `standing` itself when nothing changes.
    """
    if standing.status is Status.HARD_STOP:
        return standing
    if figures.drawdown > limits.drawdown:
        return Standing(status=Status.HARD_STOP, message=_stop_message(figures, limits))
    day = figures.baseline.day
    if figures.daily_loss > limits.daily_loss:
        if standing.status is Status.SOFT_PAUSE and not pause_is_over(standing, day=day):
            return standing
        return Standing(Status.SOFT_PAUSE, paused_on=day, message=_pause_message(figures, limits))
    if pause_is_over(standing, day=day):
        return NORMAL
    return standing


def pause_is_over(standing: Standing, *, day: date) -> bool:
    """Whether `standing` is a soft pause of a day before `day`."""
    if standing.status is not Status.SOFT_PAUSE:
        return False
    return standing.paused_on is None or day > standing.paused_on


def percent(fraction: Decimal) -> str:
    """A fraction as people read it, `3.42 %`, rounded up so that a loss above a limit looks so."""
    return f"{(fraction * 100).quantize(Decimal('0.01'), ROUND_CEILING).normalize():f} %"


def _pause_message(figures: Figures, limits: Limits) -> str:
    return (
        f"Daily loss {percent(figures.daily_loss)} is over its limit of "
        f"{percent(limits.daily_loss)}: no new positions until the next day."
    )


def _stop_message(figures: Figures, limits: Limits) -> str:
    return (
        f"Drawdown {percent(figures.drawdown)} is over its limit of "
        f"{percent(limits.drawdown)}: trading is stopped until a person resumes it."
    )
