"""The outbox: alerts that are due are claimed one by one, sent, and marked; at least once each."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from django.utils import timezone

from trading.alerting.delivery import DeliveryFailed
from trading.alerting.mail import send_mail
from trading.alerting.webhook import post_webhook
from trading.models import Alert, AlertChannel, AlertState

logger = logging.getLogger(__name__)

MOST_TRIES = 10
# Longer than any try may take: a process that dies in the middle of one leaves its alert so long.
LEASE_SECONDS = 60.0
FIRST_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 1800.0

SENDERS: dict[str, Callable[[Alert], None]] = {
    AlertChannel.WEBHOOK: post_webhook,
    AlertChannel.EMAIL: send_mail,
}


def send_next() -> bool:
    """Send one alert that is due, and mark it; False when none is.

    Never inside a transaction: a claim has to be seen by the other processes at once.
    """
    alert = claim(at=timezone.now())
    if alert is None:
        return False
    try:
        SENDERS[alert.channel](alert)
    except DeliveryFailed as failure:
        _settle_failure(alert, failure)
    else:
        _settle(alert, state=AlertState.SENT, error="", sent_at=timezone.now())
    return True


def claim(*, at: datetime) -> Alert | None:
    """Take an alert that is due: nobody else gets it before the lease is over."""
    due = Alert.objects.filter(state=AlertState.PENDING, next_try_at__lte=at)
    while (alert := due.order_by("next_try_at", "id").first()) is not None:
        # Where `tries` has changed, another process took it first.
        row = due.filter(pk=alert.pk, tries=alert.tries)
        if alert.tries >= MOST_TRIES:
            _settle_failure(alert, DeliveryFailed("the last try did not end"))
            continue
        lease = at + timedelta(seconds=LEASE_SECONDS)
        if row.update(tries=alert.tries + 1, next_try_at=lease):
            alert.tries += 1
            return alert
    return None


def pause_after(tries: int) -> timedelta:
    """How long to wait after so many tries that failed."""
    return timedelta(seconds=min(FIRST_PAUSE_SECONDS * 2 ** (tries - 1), LONGEST_PAUSE_SECONDS))


def _settle_failure(alert: Alert, failure: DeliveryFailed) -> None:
    told = (alert.account_id, alert.kind, alert.channel, alert.tries, failure)
    if alert.tries >= MOST_TRIES:
        if _settle(alert, state=AlertState.FAILED, error=str(failure)):
            logger.error("Account %s: %s by %s was not sent in %d tries: %s.", *told)
        return
    pause = pause_after(alert.tries)
    if _settle(alert, error=str(failure), next_try_at=timezone.now() + pause):
        logger.warning("Account %s: %s by %s was not sent, try %d: %s.", *told)


def _settle(alert: Alert, **changes: object) -> bool:
    # A try that outlived its lease has no say any more: `tries` is another's.
    mine = Alert.objects.filter(pk=alert.pk, state=AlertState.PENDING, tries=alert.tries)
    return bool(mine.update(**changes))
