"""Changes an account's standing: the status, the row that says why, the positions of a hard stop.

Every function here takes a risk status that its caller has locked, the account before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from trading import risk
from trading.conf import risk_conf
from trading.models import Position, PositionStatus, RiskChange, RiskState, RiskStatus
from trading.models.columns import next_change
from trading.services import locks
from trading.services.alerts import kind_of_change, raise_alert

if TYPE_CHECKING:
    from django.contrib.auth.models import User

RISK_ENGINE = "risk engine"
PAUSE_IS_OVER = "The day of the pause is over."
HARD_STOP_REASON = "hard_stop"
STANDING = (
    *("status", "message", "paused_on", "drawdown_limit", "daily_loss_limit"),
    *("recorded_at", "updated_at"),
)
BASELINE = ("total_equity", "peak_equity", "day_start_equity", "day")
FIGURES = ("drawdown_pct", "daily_loss_pct", "drawdown_limit", "daily_loss_limit")
MEASURED = (*BASELINE, *FIGURES)


@dataclass(frozen=True, slots=True)
class Decision:
    """Who decided, and why."""

    reason: str
    made_by: str = RISK_ENGINE
    actor: User | None = None


def trading_day(at: datetime) -> date:
    """The trading day of `at`, by the configured start of the day."""
    return risk.trading_day(at, day_starts_at=risk_conf().day_starts_at())


def standing_of(status: RiskStatus) -> risk.Standing:
    """The row's standing as the risk engine takes it."""
    return risk.Standing(
        status=risk.Status(status.status), paused_on=status.paused_on, message=status.message
    )


def end_pause_of_an_earlier_day(status: RiskStatus, *, at: datetime) -> None:
    """Back to normal when the day of the soft pause is over."""
    if risk.pause_is_over(standing_of(status), day=trading_day(at)):
        change_standing(status, risk.NORMAL, decision=Decision(reason=PAUSE_IS_OVER), at=at)


def change_standing(
    status: RiskStatus,
    standing: risk.Standing,
    *,
    decision: Decision,
    at: datetime,
    also_changed: tuple[str, ...] = (),
) -> None:
    """Keep the change with the row's present figures, and apply it."""
    keep_change(status, standing, decision=decision, at=at)
    apply_standing(status, standing, decision=decision, at=at, also_changed=also_changed)


def keep_change(
    status: RiskStatus, standing: risk.Standing, *, decision: Decision, at: datetime
) -> None:
    """Write down a change before it is made: from what to what, who, why, from which figures."""
    RiskChange.objects.create(
        account_id=status.account_id,
        old_status=status.status,
        new_status=standing.status.value,
        actor=decision.actor,
        made_by=decision.made_by,
        reason=decision.reason,
        total_equity=status.total_equity,
        peak_equity=status.peak_equity,
        day_start_equity=status.day_start_equity,
        drawdown_pct=status.drawdown_pct,
        daily_loss_pct=status.daily_loss_pct,
        drawdown_limit=status.drawdown_limit,
        daily_loss_limit=status.daily_loss_limit,
        recorded_at=at,
    )


def apply_standing(
    status: RiskStatus,
    standing: risk.Standing,
    *,
    decision: Decision,
    at: datetime,
    also_changed: tuple[str, ...] = (),
) -> None:
    """Save the standing; a hard stop marks the open positions in the same transaction.

    The account is locked, so that none is opened in between. Alerts are written with it.
    """
    kind = kind_of_change(old=status.status, new=standing.status)
    status.status = RiskState(standing.status.value)
    status.message = standing.message
    status.paused_on = standing.paused_on
    status.recorded_at = at
    status.save(update_fields=[*STANDING, *also_changed])
    if standing.status is risk.Status.HARD_STOP:
        _mark_positions_closing(account=status.account_id, at=at)
    if kind is not None:
        raise_alert(kind, status, reason=decision.reason, made_by=decision.made_by)


def _mark_positions_closing(*, account: str, at: datetime) -> None:
    """In one statement for five hundred of them: a stop must not wait for its own writing."""
    positions = locks.lock_open_positions(account=account)
    if positions:
        Position.objects.filter(account_id=account, status=PositionStatus.OPEN).update(
            status=PositionStatus.CLOSING,
            close_reason=HARD_STOP_REASON,
            recorded_at=at,
            updated_at=next_change([position.updated_at for position in positions]),
        )
