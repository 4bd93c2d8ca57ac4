"""Tests of the channels: what is posted and mailed, the deadline, and what errors leave out."""

from __future__ import annotations

import hmac
import time
from email import message_from_bytes
from uuid import uuid4

import pytest
from django.test import override_settings

from tests.e2e.support.servers import choose_port
from tests.trading.alerting.receivers import Mailbox, Webhook
from trading.alerting import webhook
from trading.alerting.delivery import DeliveryFailed
from trading.alerting.mail import send_mail
from trading.alerting.webhook import post_webhook
from trading.models import Alert


@pytest.fixture
def alert() -> Alert:
    """An alert as the outbox gives it to a channel."""
    key = uuid4()
    payload = {
        "id": str(key),
        "text": "Account default: stopped. Fire – at once. (operator)",
        "status": "hard_stop",
        "drawdown_pct": "0.0612",
        "warning": "",
    }
    return Alert(alert_id=key, account_id="default", kind="hard_stop", payload=payload)


def test_a_post_is_the_payload_with_its_number(alert: Alert, hook: Webhook) -> None:
    post_webhook(alert)
    [post] = hook.posts
    assert post.json == alert.payload
    assert post.headers["Content-Type"] == "application/json"
    assert post.headers["Idempotency-Key"] == str(alert.alert_id)
    assert "X-Alert-Signature" not in post.headers


def test_a_post_is_signed_with_its_time(alert: Alert, hook: Webhook) -> None:
    with override_settings(RISK_WEBHOOK_SECRET="between us"):
        post_webhook(alert)
    [post] = hook.posts
    parts = dict(part.split("=", 1) for part in post.headers["X-Alert-Signature"].split(","))
    signed = parts["t"].encode() + b"." + post.body
    assert hmac.new(b"between us", signed, "sha256").hexdigest() == parts["v1"]
    assert abs(time.time() - int(parts["t"])) < 60


@pytest.mark.parametrize("status", [301, 307, 400, 404, 500])
def test_only_a_2xx_is_a_success_and_no_redirect_is_followed(
    alert: Alert, hook: Webhook, status: int
) -> None:
    hook.statuses = [status]
    with pytest.raises(DeliveryFailed, match=f"answered {status}"):
        post_webhook(alert)
    assert len(hook.posts) == 1


def test_an_answer_that_drips_is_cut_at_the_deadline(
    alert: Alert, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "DEADLINE_SECONDS", 0.3)
    hook.drips_every = 0.05
    began = time.monotonic()
    with pytest.raises(DeliveryFailed, match=r"no answer within 0\.3 s"):
        post_webhook(alert)
    assert time.monotonic() - began < 5


def test_a_receiver_that_is_not_there_is_named_by_its_error_alone(alert: Alert) -> None:
    url = f"http://127.0.0.1:{choose_port()}/s3cr3t"
    with (
        override_settings(RISK_WEBHOOK_URL=url),
        pytest.raises(DeliveryFailed) as failure,
    ):
        post_webhook(alert)
    assert str(failure.value) == "ConnectionRefusedError"
    assert failure.value.__suppress_context__


def test_a_mail_says_what_has_happened_to_everybody_in_one_message(
    alert: Alert, inbox: Mailbox
) -> None:
    send_mail(alert)
    assert inbox.recipients == [["desk@example.test", "boss@example.test"]]
    message = message_from_bytes(inbox.messages[0].encode())
    assert message["Subject"] == "[Stable Cash & Carry] default: hard_stop"
    assert str(alert.alert_id) in str(message["Message-ID"])
    body = message.get_payload(decode=True).decode()  # type: ignore[union-attr]
    assert body.splitlines()[0] == alert.payload["text"]
    assert "Drawdown: 0.0612" in body
    assert "Warning" not in body


def test_a_mail_server_that_refuses_is_named_by_its_code_alone(
    alert: Alert, inbox: Mailbox
) -> None:
    inbox.refusals = 1
    with pytest.raises(DeliveryFailed) as failure:
        send_mail(alert)
    assert str(failure.value) == "the mail server answered 451"


def test_a_mail_server_that_is_not_there_is_named_by_its_error_alone(
    alert: Alert, inbox: Mailbox
) -> None:
    with (
        override_settings(EMAIL_PORT=choose_port()),
        pytest.raises(DeliveryFailed, match=r"^ConnectionRefusedError$"),
    ):
        send_mail(alert)


def test_nobody_is_mailed_when_nobody_is_named(alert: Alert) -> None:
    with pytest.raises(DeliveryFailed, match="RISK_ALERT_EMAILS is not set any more"):
        send_mail(alert)
