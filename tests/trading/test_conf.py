"""Tests of the risk settings."""

from __future__ import annotations

from datetime import time
from decimal import Decimal

import pytest
from django.test import override_settings

from realtime.conf import InvalidSetting
from trading.conf import RiskSettings, risk_conf


def test_the_limits_have_the_architectures_defaults() -> None:
    defaults = RiskSettings()
    assert (defaults.daily_loss_limit, defaults.drawdown_limit) == (
        Decimal("0.03"),
        Decimal("0.06"),
    )
    assert defaults.day_starts_at() == time(0)


def test_a_changed_setting_is_read_anew() -> None:
    before = risk_conf().drawdown_limit
    with override_settings(RISK_DRAWDOWN_LIMIT="0.25", RISK_DAY_START="22:30"):
        assert risk_conf().drawdown_limit == Decimal("0.25")
        assert risk_conf().day_starts_at() == time(22, 30)
    assert risk_conf().drawdown_limit == before


@pytest.mark.parametrize("start", ["24:00", "noon", "12", "12:60", ""])
def test_a_day_start_that_is_no_time_of_day_is_refused(start: str) -> None:
    with pytest.raises(InvalidSetting, match="RISK_DAY_START"):
        RiskSettings.read({"RISK_DAY_START": start})


def test_a_misspelt_setting_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InvalidSetting, match="RISK_DRAWDOWN_LIMIT"):
        RiskSettings.read({"RISK_DRAWDOWNLIMIT": "0.1"})


@pytest.mark.parametrize("limit", ["2", "-0.1", "NaN"])
def test_limits_are_fractions(limit: str) -> None:
    with pytest.raises(InvalidSetting, match="RISK_DRAWDOWN_LIMIT"):
        RiskSettings.read({"RISK_DRAWDOWN_LIMIT": limit})
