"""Writes alerts into the outbox, in the transaction of what they tell of; nothing is sent here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction
from django.utils import timezone

from realtime.timestamps import isoformat
from trading import risk
from trading.alerting import bell
from trading.conf import risk_conf
from trading.models import Alert, AlertChannel, AlertKind, RiskState, RiskStatus
from trading.serializers import RiskStatusSerializer

KINDS = {
    risk.Status.SOFT_PAUSE: AlertKind.SOFT_PAUSE,
    risk.Status.HARD_STOP: AlertKind.HARD_STOP,
}
WORDS = {
    AlertKind.SOFT_PAUSE: "paused",
    AlertKind.HARD_STOP: "stopped",
    AlertKind.RESUMED: "trading again",
    AlertKind.STALE_INPUTS: "inputs are stale",
    AlertKind.INPUTS_AGAIN: "inputs come again",
}


def kind_of_change(*, old: str, new: risk.Status) -> AlertKind | None:
    """What a change of the risk status is to people; None when it is nothing to tell."""
    if new in KINDS:
        return KINDS[new]
    return None if old == RiskState.NORMAL else AlertKind.RESUMED


def raise_alert(kind: AlertKind, status: RiskStatus, *, reason: str, made_by: str) -> None:
    """Write the alert for each channel that is configured; the watchers send after the commit."""
    channels = list(_channels())
    if not channels:
        return
    alert_id = uuid4()
    payload = _payload(kind, status, alert_id=alert_id, reason=reason, made_by=made_by)
    Alert.objects.bulk_create(
        Alert(
            alert_id=alert_id,
            account_id=status.account_id,
            kind=kind,
            channel=channel,
            payload=payload,
            next_try_at=timezone.now(),
        )
        for channel in channels
    )
    transaction.on_commit(bell.ring, robust=True)


def _channels() -> Iterator[AlertChannel]:
    conf = risk_conf()
    if conf.webhook_url:
        yield AlertChannel.WEBHOOK
    if conf.alert_emails:
        yield AlertChannel.EMAIL


def _payload(
    kind: AlertKind, status: RiskStatus, *, alert_id: UUID, reason: str, made_by: str
) -> dict[str, Any]:
    """The status as clients see it, with who and why; the same on every channel and try."""
    text = f"Account {status.account_id}: {WORDS[kind]}. {reason} ({made_by})"
    return {
        "id": str(alert_id),
        "kind": kind.value,
        "text": text,
        "reason": reason,
        "made_by": made_by,
        "created_at": isoformat(timezone.now()),
        **RiskStatusSerializer(status).data,
    }
