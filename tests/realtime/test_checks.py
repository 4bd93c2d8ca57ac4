"""System checks: what cannot work is said before anything starts."""

from __future__ import annotations

import pytest
from django.core.checks import run_checks
from pytest_django import Settings

from realtime.checks import check_settings


def ids() -> list[str | None]:
    return [message.id for message in check_settings(None)]


def test_project_is_in_order() -> None:
    assert ids() == []
    assert [message for message in run_checks() if (message.id or "").startswith("realtime")] == []


def test_database_that_is_none_is_named(settings: Settings) -> None:
    settings.REALTIME_DATABASE = "elsewhere"
    (message,) = [m for m in check_settings(None) if m.id == "realtime.E001"]
    assert "elsewhere" in message.msg
    assert "default" in (message.hint or "")


def test_feed_that_is_none_is_named(settings: Settings) -> None:
    settings.REALTIME_ANONYMOUS_FEEDS = ("system_log", "nothing")
    (message,) = check_settings(None)
    assert message.id == "realtime.E002"
    assert "nothing" in message.msg
    assert "position_update" in (message.hint or "")


@pytest.mark.usefixtures("own_feeds")
def test_feeds_without_models_need_no_check() -> None:
    assert ids() == []
