"""The risk limits, read from Django's settings; used by the risk engine and by PnL."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time
from decimal import Decimal
from typing import Any, ClassVar

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

    def __post_init__(self) -> None:
        """Refuse a day start that is no time of day."""
        self.day_starts_at()

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
