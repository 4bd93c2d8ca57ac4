"""Tests of people's decisions: pausing, stopping, resuming."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User

from tests.trading.conftest import MONDAY, ReadEvents, open_example
from trading import errors, services
from trading.models import Account, Position, RiskChange, RiskStatus

pytestmark = pytest.mark.django_db


def test_a_persons_pause_says_who_and_why(default_account: Account, new_events: ReadEvents) -> None:
    operator = User.objects.create(username="operator")
    services.soft_pause(reason=" Exchange maintenance. ", actor=operator, at=MONDAY)
    change = RiskChange.objects.get()
    assert (change.made_by, change.actor, change.reason) == (
        "operator",
        operator,
        "Exchange maintenance.",
    )
    data = new_events()[-1][2]
    assert (data["status"], data["message"], data["paused_on"]) == (
        "soft_pause",
        "Exchange maintenance.",
        "2024-01-15",
    )


def test_the_change_outlives_the_person(default_account: Account) -> None:
    operator = User.objects.create(username="operator")
    services.soft_pause(reason="Maintenance.", actor=operator, at=MONDAY)
    operator.delete()
    change = RiskChange.objects.get()
    assert (change.actor, change.made_by) == (None, "operator")


def test_pausing_twice_on_one_day_is_one_change(default_account: Account) -> None:
    services.soft_pause(reason="One.", at=MONDAY)
    services.soft_pause(reason="Two.", at=MONDAY)
    assert RiskChange.objects.count() == 1
    services.soft_pause(reason="Three.", at=MONDAY + timedelta(days=1))
    assert RiskChange.objects.count() == 2


def test_a_hard_stop_marks_every_open_position_of_the_account(default_account: Account) -> None:
    Account.objects.create(slug="second")
    ours = [open_example(), open_example()]
    theirs = open_example(account="second")
    services.hard_stop(reason="Fire.", at=MONDAY)
    assert {Position.objects.get(pk=row.pk).status for row in ours} == {"closing"}
    assert Position.objects.get(pk=theirs.pk).status == "open"
    closed = services.close_position(
        position_id=ours[0].pk, spot_exit_price="45000", perp_exit_price="45000", at=MONDAY
    )
    assert closed.close_reason == "hard_stop"


def test_stopping_twice_is_one_change(default_account: Account) -> None:
    services.hard_stop(reason="Fire.", at=MONDAY)
    services.hard_stop(reason="Fire!", at=MONDAY)
    assert RiskChange.objects.count() == 1


def test_a_pause_does_not_loosen_a_stop(default_account: Account) -> None:
    services.hard_stop(reason="Fire.", at=MONDAY)
    with pytest.raises(errors.HardStopped) as refusal:
        services.soft_pause(reason="Only a little fire.", at=MONDAY)
    assert refusal.value.code == "hard_stopped"
    assert RiskStatus.objects.get().status == "hard_stop"


@pytest.mark.parametrize("stop", [services.soft_pause, services.hard_stop])
def test_resuming_lets_positions_be_opened_again(default_account: Account, stop: Any) -> None:
    stop(reason="Wait.", at=MONDAY)
    services.resume_trading(reason="Go on.", at=MONDAY)
    assert open_example().status == "open"
    assert RiskChange.objects.latest("id").new_status == "normal"


def test_after_resuming_losses_are_measured_from_the_present_equity(
    default_account: Account, new_events: ReadEvents
) -> None:
    services.record_equity(total_equity="100000", at=MONDAY)
    services.record_equity(total_equity="90000", at=MONDAY)
    new_events()
    services.resume_trading(reason="The loss is accepted.", at=MONDAY)
    change = RiskChange.objects.order_by("-id")[0]
    assert (change.old_status, change.peak_equity, change.drawdown_pct) == (
        "hard_stop",
        100_000,
        RiskChange.objects.order_by("id")[0].drawdown_pct,
    )
    [(_, _, data)] = new_events()
    assert (data["status"], data["peak_equity"], data["drawdown_pct"]) == (
        "normal",
        "90000.00",
        "0",
    )
    services.record_equity(total_equity="88000", at=MONDAY)
    assert RiskStatus.objects.get().status == "normal"
    services.record_equity(total_equity="84000", at=MONDAY)
    assert RiskStatus.objects.get().status == "hard_stop"


def test_there_is_nothing_to_resume_when_trading_is_normal(default_account: Account) -> None:
    with pytest.raises(errors.TradingNotPaused):
        services.resume_trading(reason="Go on.", at=MONDAY)
    assert not RiskChange.objects.exists()


@pytest.mark.parametrize(
    "decide",
    [
        services.soft_pause,
        services.hard_stop,
        services.resume_trading,
        services.restart_measuring,
    ],
)
def test_every_decision_needs_a_reason(default_account: Account, decide: Any) -> None:
    with pytest.raises(errors.ReasonRequired):
        decide(reason="  ", at=MONDAY)
    with pytest.raises(errors.InvalidText):
        decide(reason="x" * 301, at=MONDAY)
    with pytest.raises(errors.AccountNotFound):
        decide(reason="Why not.", account="nobody", at=MONDAY)
    assert not RiskChange.objects.exists()


def test_measuring_can_be_restarted_at_an_earlier_market_time(default_account: Account) -> None:
    services.record_equity(total_equity="100000", at=MONDAY)
    earlier = MONDAY - timedelta(days=365)
    services.restart_measuring(reason="A replay begins.", at=earlier)
    snapshot = services.record_equity(total_equity="99000", at=earlier)
    assert (snapshot.day_start_equity, snapshot.peak_equity) == (100_000, 100_000)
