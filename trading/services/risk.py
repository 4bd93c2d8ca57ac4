"""People's decisions about risk: pause, stop, resume; each is a row with its reason."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction

from trading import amounts, risk
from trading.conf import risk_conf
from trading.errors import HardStopped, ReasonRequired, TradingNotPaused
from trading.models import DEFAULT_ACCOUNT, RiskState, RiskStatus
from trading.services import locks
from trading.services.standing import (
    MEASURED,
    Decision,
    apply_standing,
    change_standing,
    keep_change,
    trading_day,
)

if TYPE_CHECKING:
    from django.contrib.auth.models import User

LONGEST_REASON = 300
LONGEST_NAME = 150
NOBODY = "a program"


def soft_pause(
    *,
    reason: str,
    account: str = DEFAULT_ACCOUNT,
    actor: User | None = None,
    made_by: str = "",
    at: datetime | None = None,
) -> RiskStatus:
    """Open no new positions until the next trading day.

    Pausing what is paused today changes nothing. Raises HardStopped, since a pause would loosen
    that, and ReasonRequired.
    """
    decision = _decision(reason=reason, actor=actor, made_by=made_by)
    with transaction.atomic():
        status, moment = _lock(account, at=at)
        if status.status == RiskState.HARD_STOP:
            raise HardStopped(account=account)
        today = trading_day(moment)
        if status.status == RiskState.NORMAL or status.paused_on != today:
            standing = risk.Standing(risk.Status.SOFT_PAUSE, today, decision.reason)
            change_standing(status, standing, decision=decision, at=moment)
    return status


def hard_stop(
    *,
    reason: str,
    account: str = DEFAULT_ACCOUNT,
    actor: User | None = None,
    made_by: str = "",
    at: datetime | None = None,
) -> RiskStatus:
    """Open nothing new and mark every open position `closing`, until somebody resumes it.

    Stopping what is stopped changes nothing. Raises ReasonRequired.
    """
    decision = _decision(reason=reason, actor=actor, made_by=made_by)
    with transaction.atomic():
        status, moment = _lock(account, at=at)
        if status.status != RiskState.HARD_STOP:
            standing = risk.Standing(risk.Status.HARD_STOP, message=decision.reason)
            change_standing(status, standing, decision=decision, at=moment)
    return status


def resume_trading(
    *,
    reason: str,
    account: str = DEFAULT_ACCOUNT,
    actor: User | None = None,
    made_by: str = "",
    at: datetime | None = None,
) -> RiskStatus:
    """End a pause or a stop, and measure losses from the present equity on.

    The losses so far are accepted with that: measured from the old peak, the next reading would
    stop trading again at once. The change's row keeps what they were. Raises TradingNotPaused and
    ReasonRequired.
    """
    decision = _decision(reason=reason, actor=actor, made_by=made_by)
    with transaction.atomic():
        status, moment = _lock(account, at=at)
        if status.status == RiskState.NORMAL:
            raise TradingNotPaused(account=account)
        _start_measuring(status, decision=decision, at=moment)
    return status


def restart_measuring(
    *,
    reason: str,
    account: str = DEFAULT_ACCOUNT,
    actor: User | None = None,
    made_by: str = "",
    at: datetime | None = None,
) -> RiskStatus:
    """Trade normally from `at` on, whatever was before, even at an earlier market time.

    For a simulation that starts over. Raises ReasonRequired.
    """
    decision = _decision(reason=reason, actor=actor, made_by=made_by)
    with transaction.atomic():
        status, moment = _lock(account, at=at)
        _start_measuring(status, decision=decision, at=moment)
    return status


def _start_measuring(status: RiskStatus, *, decision: Decision, at: datetime) -> None:
    keep_change(status, risk.NORMAL, decision=decision, at=at)
    if status.total_equity is not None:
        status.peak_equity = status.day_start_equity = status.total_equity
        status.day = trading_day(at)
    limits = risk_conf()
    status.drawdown_pct = status.daily_loss_pct = amounts.ZERO
    status.drawdown_limit = limits.drawdown_limit
    status.daily_loss_limit = limits.daily_loss_limit
    apply_standing(status, risk.NORMAL, decision=decision, at=at, also_changed=MEASURED)


def _lock(account: str, *, at: datetime | None) -> tuple[RiskStatus, datetime]:
    locked = locks.lock_account(account)
    # After the lock, so that market times rise in the order of the decisions.
    moment = amounts.market_time(at)
    return locks.lock_risk_status(locked, at=moment), moment


def _decision(*, reason: str, actor: User | None, made_by: str) -> Decision:
    words = amounts.text(reason, field="reason", longest=LONGEST_REASON)
    if not words:
        raise ReasonRequired(field="reason")
    name = made_by or (actor.get_username() if actor else NOBODY)
    return Decision(
        reason=words,
        made_by=amounts.text(name, field="made_by", longest=LONGEST_NAME),
        actor=actor,
    )
