"""What the tests of alerts share: receivers that are configured."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import override_settings

from tests.trading.alerting.receivers import Mailbox, Webhook, mailbox, webhook


@pytest.fixture
def hook() -> Iterator[Webhook]:
    """A webhook that alerts are posted to."""
    with webhook() as kept, override_settings(RISK_WEBHOOK_URL=kept.url):
        yield kept


@pytest.fixture
def inbox() -> Iterator[Mailbox]:
    """A mail server, and two people whom alerts are mailed to."""
    with (
        mailbox() as kept,
        override_settings(
            RISK_ALERT_EMAILS=("desk@example.test", "boss@example.test"),
            EMAIL_BACKEND="django.core.mail.backends.smtp.EmailBackend",
            EMAIL_HOST="127.0.0.1",
            EMAIL_PORT=kept.port,
            EMAIL_TIMEOUT=5,
        ),
    ):
        yield kept
