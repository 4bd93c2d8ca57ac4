"""Readings of equity; each runs the risk engine in its own transaction."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from trading import amounts, risk
from trading.amounts import Amount
from trading.conf import RiskSettings, risk_conf
from trading.errors import ReadingOutOfOrder
from trading.models import DEFAULT_ACCOUNT, EquitySnapshot, RiskStatus
from trading.services import locks
from trading.services.standing import (
    MEASURED,
    PAUSE_IS_OVER,
    Decision,
    change_standing,
    standing_of,
    trading_day,
)


def record_equity(
    *,
    total_equity: Amount,
    account: str = DEFAULT_ACCOUNT,
    simulated: bool = False,
    at: datetime | None = None,
) -> EquitySnapshot:
    """Add a reading, unrealised profit included, and let the risk engine decide on it.

    The account stays locked, so that the newest reading is the newest event of its key. Raises
    ReadingOutOfOrder for a reading of a trading day that is over, since that day's loss has been
    judged; AccountNotFound and InvalidAmount.
    """
    equity = amounts.exact(total_equity, field="total_equity")
    with transaction.atomic():
        locked = locks.lock_account(account)
        # After the lock, so that market times rise in the order of the readings.
        moment = amounts.market_time(at)
        status = locks.lock_risk_status(locked, at=moment)
        day = trading_day(moment)
        if status.day is not None and day < status.day:
            raise ReadingOutOfOrder(account=account, day=day, newest_day=status.day)
        figures = risk.measure(baseline=_baseline(status), total_equity=equity, day=day)
        snapshot: EquitySnapshot = EquitySnapshot.objects.create(
            account=locked,
            total_equity=equity,
            peak_equity=figures.baseline.peak_equity,
            day_start_equity=figures.baseline.day_start_equity,
            drawdown_pct=figures.drawdown,
            daily_loss_pct=figures.daily_loss,
            simulated=simulated,
            recorded_at=moment,
        )
        _judge(status, figures, at=moment)
    return snapshot


def _baseline(status: RiskStatus) -> risk.Baseline | None:
    if (
        status.peak_equity is None
        or status.day_start_equity is None
        or status.total_equity is None
        or status.day is None
    ):
        return None
    return risk.Baseline(
        peak_equity=status.peak_equity,
        day_start_equity=status.day_start_equity,
        total_equity=status.total_equity,
        day=status.day,
    )


def _judge(status: RiskStatus, figures: risk.Figures, *, at: datetime) -> None:
    limits = risk_conf()
    _set_figures(status, figures, limits=limits)
    present = standing_of(status)
    standing = risk.decide(
        standing=present,
        figures=figures,
        limits=risk.Limits(daily_loss=limits.daily_loss_limit, drawdown=limits.drawdown_limit),
    )
    if standing is present:
        status.recorded_at = at
        status.save(update_fields=[*MEASURED, "recorded_at", "updated_at"])
        return
    is_over = standing.status is risk.Status.NORMAL
    decision = Decision(reason=PAUSE_IS_OVER if is_over else standing.message)
    change_standing(status, standing, decision=decision, at=at, also_changed=MEASURED)


def _set_figures(status: RiskStatus, figures: risk.Figures, *, limits: RiskSettings) -> None:
    baseline = figures.baseline
    status.total_equity = baseline.total_equity
    status.peak_equity = baseline.peak_equity
    status.day_start_equity = baseline.day_start_equity
    status.day = baseline.day
    status.drawdown_pct = figures.drawdown
    status.daily_loss_pct = figures.daily_loss
    status.drawdown_limit = limits.drawdown_limit
    status.daily_loss_limit = limits.daily_loss_limit
