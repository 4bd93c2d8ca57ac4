"""Tests of the watch: stale inputs are told once and taken back; a pause ends with its day."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext, override_settings
from django.utils import timezone

from tests.trading.conftest import MONDAY, ReadEvents, open_example
from tests.trading.services.test_concurrency import run_together
from trading import services
from trading.models import Account, Alert, EquitySnapshot, Position, RiskChange, RiskStatus
from trading.services.watching import watch_accounts

pytestmark = pytest.mark.django_db

LIMIT_SECONDS = 300
DAY = timedelta(days=1)


def look(*, after: float = 0.0) -> None:
    """What a watcher does, so many seconds from now."""
    watch_accounts(now=timezone.now() + timedelta(seconds=after))


def last_risk(new_events: ReadEvents) -> list[dict[str, Any]]:
    """The risk messages since the last call."""
    return [data for name, _, data in new_events() if name == "risk_status_update"]


def test_an_account_that_never_had_anything_is_left_alone(
    default_account: Account, new_events: ReadEvents
) -> None:
    look(after=10**6)
    assert new_events() == []
    assert not RiskStatus.objects.exists()


def test_a_silent_bot_does_not_look_safe(
    default_account: Account,
    new_events: ReadEvents,
    caplog: pytest.LogCaptureFixture,
    django_capture_on_commit_callbacks: Any,
) -> None:
    services.record_equity(total_equity="100")
    new_events()
    look(after=LIMIT_SECONDS - 10)
    assert new_events() == []
    with django_capture_on_commit_callbacks(execute=True):
        look(after=LIMIT_SECONDS + 10)
    [data] = last_risk(new_events)
    assert (data["status"], data["stale_inputs"]) == ("normal", ["equity"])
    assert data["stale_since"].endswith("Z")
    assert data["warning"].startswith("No equity reading since")
    [record] = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert "Account default: No equity reading since" in record.getMessage()


def test_a_warning_is_given_once_and_taken_back_when_readings_come_again(
    default_account: Account, new_events: ReadEvents
) -> None:
    services.record_equity(total_equity="100")
    for more in (10, 20, 3000):
        look(after=LIMIT_SECONDS + more)
    new_events()
    services.record_equity(total_equity="101")
    look()
    look()
    assert [data["stale_inputs"] for data in last_risk(new_events)] == [["equity"], []]
    status = RiskStatus.objects.get()
    assert (status.warning, status.stale_since) == ("", None)


def test_prices_of_open_positions_are_awaited_too(position: Position) -> None:
    services.record_equity(total_equity="100")
    assert RiskStatus.objects.get().stale_inputs == ""
    Position.objects.update(priced_at=timezone.now() - timedelta(seconds=LIMIT_SECONDS + 1))
    look()
    assert RiskStatus.objects.get().stale_inputs == "prices"
    both = services.Prices(spot="45500", perp="45500")
    services.reprice_positions(prices={"BTC/USDT": services.Prices(spot="45500", perp=None)})
    look()
    assert RiskStatus.objects.get().stale_inputs == "prices", "an unknown price is none"
    services.reprice_positions(prices={"BTC/USDT": both})
    look()
    assert RiskStatus.objects.get().stale_inputs == ""


def test_a_closed_position_awaits_nothing(position: Position) -> None:
    services.close_position(
        position_id=position.pk, spot_exit_price="45000", perp_exit_price="45000"
    )
    look(after=LIMIT_SECONDS * 10)
    assert RiskStatus.objects.get().stale_inputs == ""


def test_market_time_is_no_matter(default_account: Account) -> None:
    services.record_equity(total_equity="100", at=MONDAY)
    look()
    assert RiskStatus.objects.get().stale_inputs == ""


def test_the_watch_can_be_switched_off(default_account: Account) -> None:
    services.record_equity(total_equity="100")
    with override_settings(RISK_STALE_SECONDS=0):
        look(after=10**6)
    assert RiskStatus.objects.get().stale_inputs == ""


def test_stale_inputs_are_an_alert_and_so_is_their_return(default_account: Account) -> None:
    with override_settings(RISK_WEBHOOK_URL="http://127.0.0.1:1/"):
        services.record_equity(total_equity="100")
        look(after=LIMIT_SECONDS + 10)
        look(after=LIMIT_SECONDS + 20)
        look()
    alerts = list(Alert.objects.order_by("id"))
    assert [alert.kind for alert in alerts] == ["stale_inputs", "inputs_again"]
    assert alerts[0].payload["reason"] == alerts[0].payload["warning"]
    assert alerts[0].payload["made_by"] == "watcher"


def test_a_pause_ends_when_the_day_turns_without_any_reading(
    default_account: Account, new_events: ReadEvents
) -> None:
    services.soft_pause(reason="Wait.", at=MONDAY)
    new_events()
    # 13 and a half hours are left of Monday, by the account's own clock.
    look(after=13.4 * 3600)
    assert new_events() == []
    look(after=13.6 * 3600)
    [data] = last_risk(new_events)
    assert (data["status"], data["paused_on"]) == ("normal", None)
    assert data["recorded_at"].startswith("2024-01-16T00:06")
    change = RiskChange.objects.all()[0]
    assert (change.old_status, change.new_status, change.made_by, change.reason) == (
        "soft_pause",
        "normal",
        "risk engine",
        "The day of the pause is over.",
    )


def test_a_pause_of_a_simulation_in_the_past_is_not_ended_by_our_clock(
    default_account: Account,
) -> None:
    services.soft_pause(reason="Wait.", at=MONDAY)
    look()
    assert RiskStatus.objects.get().status == "soft_pause"


def test_a_stop_stays_whatever_the_day(default_account: Account) -> None:
    services.hard_stop(reason="Fire.", at=MONDAY)
    look(after=10**6)
    assert RiskStatus.objects.get().status == "hard_stop"


@pytest.mark.django_db(transaction=True)
def test_however_many_watch_the_warning_is_given_once(
    default_account: Account, new_events: ReadEvents
) -> None:
    with override_settings(RISK_WEBHOOK_URL="http://127.0.0.1:1/"):
        services.record_equity(total_equity="100")
        services.soft_pause(reason="Wait.")
        new_events()
        assert run_together([lambda: look(after=2 * DAY.total_seconds())] * 5) == [None] * 5
    data = last_risk(new_events)
    assert [(each["status"], each["stale_inputs"]) for each in data] == [
        ("normal", []),
        ("normal", ["equity"]),
    ]
    assert sorted(alert.kind for alert in Alert.objects.all()) == [
        "resumed",
        "soft_pause",
        "stale_inputs",
    ]


def test_a_look_is_one_query_however_many_accounts_there_are(default_account: Account) -> None:
    def count_queries() -> int:
        with CaptureQueriesContext(connection) as queries:
            look()
        return len(queries)

    services.record_equity(total_equity="100")
    few = count_queries()
    for number in range(5):
        account = Account.objects.create(slug=f"a{number}").pk
        services.record_equity(total_equity="100", account=account)
        open_example(account=account)
    assert count_queries() == few == 1


def test_one_account_that_fails_does_not_keep_the_others_unwatched(
    default_account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    Account.objects.create(slug="second")
    for account in ("default", "second"):
        services.record_equity(total_equity="100", account=account)
    save = RiskStatus.save

    def fail_for_one(self: RiskStatus, *args: Any, **kwargs: Any) -> None:
        if self.account_id == "default":
            raise RuntimeError("broken")
        save(self, *args, **kwargs)

    monkeypatch.setattr(RiskStatus, "save", fail_for_one)
    with pytest.raises(RuntimeError, match="broken"):
        look(after=LIMIT_SECONDS + 10)
    stale = RiskStatus.objects.exclude(stale_inputs="").values_list("account", flat=True)
    assert list(stale) == ["second"]
    assert EquitySnapshot.objects.count() == 2
