"""E-mail: an alert as plain text, by Django's mail settings."""

from __future__ import annotations

from smtplib import SMTPException, SMTPResponseException

from django.core.mail import EmailMessage

from realtime.conf import conf
from trading.alerting.delivery import DeliveryFailed
from trading.conf import risk_conf
from trading.models import Alert

FIGURES = (
    ("Equity", "total_equity"),
    ("Peak", "peak_equity"),
    ("Equity at the day's start", "day_start_equity"),
    ("Drawdown", "drawdown_pct"),
    ("Its limit", "drawdown_limit"),
    ("Daily loss", "daily_loss_pct"),
    ("Its limit", "daily_loss_limit"),
    ("Status", "status"),
    ("Warning", "warning"),
    ("Market time", "recorded_at"),
    ("Written", "created_at"),
    ("Alert", "id"),
)


def send_mail(alert: Alert) -> None:
    """Mail the alert to every address in one message; raises DeliveryFailed."""
    recipients = risk_conf().alert_emails
    if not recipients:
        raise DeliveryFailed("RISK_ALERT_EMAILS is not set any more")
    message = EmailMessage(
        subject=_one_line(f"[{conf().service_name}] {alert.account_id}: {alert.kind}"),
        body=_body(alert),
        to=list(recipients),
        # The same for each try: readers put a message that comes twice in one place.
        headers={"Message-ID": f"<{alert.alert_id}@alerts.invalid>"},
    )
    try:
        message.send()
    except SMTPResponseException as error:
        raise DeliveryFailed(f"the mail server answered {error.smtp_code}") from None
    except (SMTPException, OSError, ValueError) as error:
        # Its text may name addresses.
        raise DeliveryFailed(type(error).__name__) from None


def _body(alert: Alert) -> str:
    payload = alert.payload
    lines = [payload["text"], ""]
    lines += [f"{label}: {payload[name]}" for label, name in FIGURES if payload.get(name)]
    return "\n".join(lines) + "\n"


def _one_line(text: str) -> str:
    return " ".join(text.split())
