"""The risk settings, read from Django's; used by the risk engine, the watch and by PnL."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import urlsplit

from django.core.signals import setting_changed

from realtime.conf import InvalidSetting, SettingsGroup, setting


@dataclass(frozen=True)
class RiskSettings(SettingsGroup):
    """What can be set about risk."""

    prefix: ClassVar[str] = "RISK"

    daily_loss_limit: Decimal = setting(
        Decimal("0.03"),
        "Loss since the day's start, as a fraction, above which no new positions are opened.",
        minimum=Decimal("0"),
        maximum=Decimal("1"),
    )
    drawdown_limit: Decimal = setting(
        Decimal("0.06"),
        "Fall from the peak, as a fraction, above which trading stops until a person resumes it.",
        minimum=Decimal("0"),
        maximum=Decimal("1"),
    )
    imbalance_limit: Decimal = setting(
        Decimal("0.01"),
        "Difference between a position's legs, as a fraction of the larger one, above which it "
        "counts as imbalanced.",
        minimum=Decimal("0"),
        maximum=Decimal("1"),
    )
    day_start: str = setting("00:00", "When a trading day begins, `HH:MM` in UTC.")
    maintenance_margin: Decimal = setting(
        Decimal("0.005"),
        "Maintenance margin of a perpetual, as a fraction of its value; sets liquidation prices.",
        minimum=Decimal("0"),
        maximum=Decimal("0.5"),
    )

    stale_seconds: float = setting(
        300.0,
        "Seconds without an equity reading or a price, by the wall clock, after which an account's "
        "inputs count as stale; 0 never warns.",
        minimum=0.0,
    )
    watch_seconds: float = setting(
        5.0,
        "Seconds between two looks of each server process for stale inputs, pauses whose day is "
        "over and alerts to send; 0 does not look.",
        minimum=0.0,
    )
    webhook_url: str = setting(
        "",
        "`https://…` that alerts are posted to, a secret of its own; empty sends none.",
        is_secret=True,
    )
    webhook_secret: str = setting(
        "", "Signs what is posted to the webhook; empty signs nothing.", is_secret=True
    )
    alert_emails: tuple[str, ...] = setting(
        (), "The addresses that alerts are mailed to; needs `EMAIL_URL`."
    )

    def __post_init__(self) -> None:
        """Refuse a day start that is no time of day, and a webhook that cannot be reached."""
        self.day_starts_at()
        if self.webhook_url and not _is_webhook(self.webhook_url):
            # The message leaves the value out: whoever has it can post in our name.
            raise InvalidSetting(
                "RISK_WEBHOOK_URL must look like https://HOST/PATH, without a user, a password "
                "or spaces; unset it to send no alerts by webhook."
            )

    def day_starts_at(self) -> time:
        """The time of day, UTC, at which a trading day begins."""
        try:
            hours, minutes = self.day_start.split(":")
            return time(int(hours), int(minutes))
        except ValueError:
            raise InvalidSetting(
                f"RISK_DAY_START is {self.day_start!r}, which is not a time of day. "
                "Unset it for the default, '00:00', or set one such as '22:30'."
            ) from None


def _is_webhook(url: str) -> bool:
    try:
        parts = urlsplit(url)
        is_reachable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    has_credentials = parts.username is not None or parts.password is not None
    is_plain = url.isascii() and url.isprintable() and " " not in url
    return parts.scheme in {"http", "https"} and is_reachable and is_plain and not has_credentials


_current: RiskSettings | None = None


def risk_conf() -> RiskSettings:
    """The settings in force, read once."""
    global _current
    if _current is None:
        _current = RiskSettings.from_django()
    return _current


def _forget(*, setting: str = "", **_: Any) -> None:
    global _current
    if setting.startswith(f"{RiskSettings.prefix}_"):
        _current = None


def connect() -> None:
    """Read the settings anew when a test changes one."""
    setting_changed.connect(_forget, dispatch_uid="trading.conf")
