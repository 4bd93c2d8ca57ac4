"""What a watcher does at each look: stale inputs are told, and pauses end with their day.

Any number of processes look; the lock on the account lets one of them act.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from functools import partial

from django.db import connection, transaction
from django.db.models import Min, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from trading import risk, staleness
from trading.conf import risk_conf
from trading.errors import AccountNotFound
from trading.models import (
    LIVE_STATUSES,
    Account,
    AlertKind,
    EquitySnapshot,
    Position,
    RiskStatus,
)
from trading.services import locks
from trading.services.alerts import raise_alert
from trading.services.standing import (
    end_pause_of_an_earlier_day,
    standing_of,
    trading_day,
)
from trading.staleness import Inputs, Staleness

logger = logging.getLogger(__name__)

WATCHER = "watcher"
INPUTS_COME = "Readings and prices come again."
STALENESS = ("stale_inputs", "stale_since", "warning", "recorded_at", "updated_at")
# One account that somebody holds must not keep the others unwatched.
LOCK_SECONDS = 5


def watch_accounts(*, now: datetime | None = None) -> None:
    """Look at every account once; `now` is the wall clock. Reads alone where nothing is to do."""
    moment = now or timezone.now()
    failure: Exception | None = None
    for account in _accounts_with_something_to_do(moment):
        try:
            _act(account, now=moment)
        except AccountNotFound:
            continue
        except Exception as error:
            failure = error
    if failure is not None:
        raise failure


def market_clock(status: RiskStatus, *, now: datetime) -> datetime:
    """The account's market time: it goes on by the wall clock from where it was last written.

    So the day of a simulation in the past ends by its own clock, not by ours.
    """
    return status.recorded_at + max(now - status.updated_at, timedelta(0))


def _accounts_with_something_to_do(now: datetime) -> list[str]:
    found = []
    for account in _with_inputs(Account.objects.select_related("risk_status")).order_by("pk"):
        status = getattr(account, "risk_status", None) or RiskStatus(account=account)
        if _judge(account, now=now).inputs != _told(status) or _pause_is_over(status, now=now):
            found.append(account.pk)
    return found


def _act(account: str, *, now: datetime) -> None:
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
        status = locks.lock_risk_status(locks.lock_account(account), at=now)
        if _pause_is_over(status, now=now):
            end_pause_of_an_earlier_day(status, at=market_clock(status, now=now))
        # A statement of its own: it sees what was written while this waited for the lock.
        inputs = _with_inputs(Account.objects.filter(pk=account)).get()
        _tell(status, _judge(inputs, now=now), now=now)


def _tell(status: RiskStatus, found: Staleness, *, now: datetime) -> None:
    """Publish, log and alert what has changed; nothing when another process was first."""
    told = _told(status)
    if found.inputs == told:
        return
    status.recorded_at = market_clock(status, now=now)
    status.stale_inputs = ",".join(found.inputs)
    status.stale_since, status.warning = found.since, found.warning
    status.save(update_fields=STALENESS)
    if set(found.inputs) - set(told):
        _log(logging.WARNING, status, found.warning)
        raise_alert(AlertKind.STALE_INPUTS, status, reason=found.warning, made_by=WATCHER)
    elif not found.inputs:
        _log(logging.INFO, status, INPUTS_COME)
        raise_alert(AlertKind.INPUTS_AGAIN, status, reason=INPUTS_COME, made_by=WATCHER)


def _log(level: int, status: RiskStatus, text: str) -> None:
    said = partial(logger.log, level, "Account %s: %s", status.account_id, text)
    transaction.on_commit(said, robust=True)


def _told(status: RiskStatus) -> tuple[str, ...]:
    return tuple(status.stale_inputs.split(",")) if status.stale_inputs else ()


def _pause_is_over(status: RiskStatus, *, now: datetime) -> bool:
    if status.status != risk.Status.SOFT_PAUSE:
        return False
    day = trading_day(market_clock(status, now=now))
    return risk.pause_is_over(standing_of(status), day=day)


def _judge(account: Account, *, now: datetime) -> Staleness:
    inputs = Inputs(
        last_reading=account.last_reading,  # type: ignore[attr-defined]
        live_since=account.live_since,  # type: ignore[attr-defined]
        oldest_price=account.oldest_price,  # type: ignore[attr-defined]
    )
    limit = timedelta(seconds=risk_conf().stale_seconds)
    return staleness.judge(inputs, now=now, limit=limit)


def _with_inputs(accounts: QuerySet[Account]) -> QuerySet[Account]:
    """The accounts with the times of their inputs, in one query without a scan of the history."""
    readings = EquitySnapshot.objects.filter(account=OuterRef("pk")).order_by("-id")
    live = Position.objects.filter(account=OuterRef("pk"), status__in=LIVE_STATUSES)
    each = live.order_by().values("account")
    oldest = each.annotate(oldest=Min(Coalesce("priced_at", "created_at")))
    return accounts.annotate(
        last_reading=Subquery(readings.values("created_at")[:1]),
        live_since=Subquery(each.annotate(first=Min("created_at")).values("first")),
        oldest_price=Subquery(oldest.values("oldest")),
    )
