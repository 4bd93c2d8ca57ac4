"""Tests of the outbox: written with the change, sent after it, tried again, given up at last."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

import pytest
from django.db import connections, transaction
from django.test import override_settings
from django.utils import timezone

from tests.trading.alerting.receivers import Mailbox, Webhook
from tests.trading.conftest import MONDAY
from trading import services
from trading.alerting import bell, outbox
from trading.alerting.outbox import LEASE_SECONDS, MOST_TRIES, claim, pause_after, send_next
from trading.models import Account, Alert, RiskChange

pytestmark = pytest.mark.django_db


class Undone(Exception):
    """What rolls a transaction back."""


def make_due() -> None:
    """As if the pause after a failed try were over."""
    Alert.objects.update(next_try_at=timezone.now())


def test_every_change_of_the_status_is_an_alert(default_account: Account, hook: Webhook) -> None:
    services.record_equity(total_equity="100", at=MONDAY)
    services.record_equity(total_equity="96", at=MONDAY)
    services.record_equity(total_equity="96", at=MONDAY + timedelta(days=1))
    services.record_equity(total_equity="90", at=MONDAY + timedelta(days=1))
    services.resume_trading(reason="Accepted.", made_by="operator", at=MONDAY + timedelta(days=1))
    while send_next():
        pass
    assert [(post.json["kind"], post.json["made_by"]) for post in hook.posts] == [
        ("soft_pause", "risk engine"),
        ("resumed", "risk engine"),
        ("hard_stop", "risk engine"),
        ("resumed", "operator"),
    ]
    stop = hook.posts[2].json
    assert (stop["account"], stop["status"], stop["drawdown_pct"], stop["drawdown_limit"]) == (
        "default",
        "hard_stop",
        "0.1",
        "0.06",
    )
    assert (stop["total_equity"], stop["peak_equity"]) == ("90.00", "100.00")
    assert stop["text"].startswith("Account default: stopped. Drawdown 10 % is over")
    assert RiskChange.objects.count() == 4


def test_nothing_is_written_when_nobody_is_to_be_told(default_account: Account) -> None:
    services.hard_stop(reason="Fire.", at=MONDAY)
    assert not Alert.objects.exists()


def test_a_start_of_a_simulation_is_no_news(default_account: Account, hook: Webhook) -> None:
    services.restart_measuring(reason="A replay begins.", at=MONDAY)
    services.soft_pause(reason="Wait.", at=MONDAY)
    services.soft_pause(reason="Wait!", at=MONDAY)
    assert [alert.kind for alert in Alert.objects.all()] == ["soft_pause"]


@pytest.mark.django_db(transaction=True)
def test_an_alert_of_a_change_that_is_rolled_back_is_never_sent(
    default_account: Account, hook: Webhook
) -> None:
    bell.wait(0)
    with suppress(Undone), transaction.atomic():
        services.hard_stop(reason="Fire.", at=MONDAY)
        raise Undone
    assert not send_next()
    assert hook.posts == []
    assert not bell._rung.is_set()


@pytest.mark.django_db(transaction=True)
def test_the_watcher_hears_of_an_alert_after_the_commit_and_not_before(
    default_account: Account, hook: Webhook
) -> None:
    bell.wait(0)
    with transaction.atomic():
        services.hard_stop(reason="Fire.", at=MONDAY)
        assert not bell._rung.is_set()
        assert hook.posts == []
    assert bell._rung.is_set()


def test_each_channel_gets_the_same_alert(
    default_account: Account, hook: Webhook, inbox: Mailbox
) -> None:
    services.hard_stop(reason="Fire.", at=MONDAY)
    assert send_next()
    assert send_next()
    assert not send_next()
    [post], [message] = hook.posts, inbox.messages
    assert post.json["id"] in message
    assert {alert.state for alert in Alert.objects.all()} == {"sent"}
    assert {str(alert.alert_id) for alert in Alert.objects.all()} == {post.json["id"]}


def test_a_failed_try_is_repeated_with_the_same_number(
    default_account: Account, hook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    hook.statuses = [500, 302]
    services.hard_stop(reason="Fire.", at=MONDAY)
    assert send_next()
    assert not send_next(), "the pause after a failure is not over"
    alert = Alert.objects.get()
    assert (alert.state, alert.tries, alert.error) == ("pending", 1, "the webhook answered 500")
    make_due()
    assert send_next()
    make_due()
    assert send_next()
    alert.refresh_from_db()
    assert (alert.state, alert.tries, alert.error) == ("sent", 3, "")
    first, second, third = hook.posts
    assert first.json == second.json == third.json
    assert {post.headers["Idempotency-Key"] for post in hook.posts} == {str(alert.alert_id)}
    assert {post.path for post in hook.posts} == {"/hooks/s3cr3t-path"}
    assert "s3cr3t" not in caplog.text
    assert "hard_stop by webhook was not sent, try 1: the webhook answered 500" in caplog.text


def test_an_alert_is_given_up_after_its_tries_and_the_log_says_so(
    default_account: Account, hook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    hook.statuses = [500] * (MOST_TRIES + 5)
    services.hard_stop(reason="Fire.", at=MONDAY)
    for _ in range(MOST_TRIES):
        assert send_next()
        make_due()
    assert not send_next()
    assert len(hook.posts) == MOST_TRIES
    assert Alert.objects.get().state == "failed"
    [error] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert f"was not sent in {MOST_TRIES} tries" in error.getMessage()


def test_pauses_grow_to_half_an_hour() -> None:
    pauses = [pause_after(tries).total_seconds() for tries in range(1, MOST_TRIES)]
    assert pauses[:3] == [5, 10, 20]
    assert pauses == sorted(pauses)
    assert pauses[-1] <= pause_after(100).total_seconds() == 1800


def test_what_is_claimed_is_nobody_elses_until_the_lease_is_over(
    default_account: Account, hook: Webhook
) -> None:
    services.hard_stop(reason="Fire.", at=MONDAY)
    now = timezone.now()
    assert claim(at=now) is not None
    assert claim(at=now + timedelta(seconds=LEASE_SECONDS - 1)) is None
    late = claim(at=now + timedelta(seconds=LEASE_SECONDS + 1))
    assert late is not None
    assert late.tries == 2


def test_a_try_that_outlived_its_lease_marks_nothing(
    default_account: Account, hook: Webhook
) -> None:
    services.hard_stop(reason="Fire.", at=MONDAY)
    now = timezone.now()
    slow = claim(at=now)
    other = claim(at=now + timedelta(seconds=LEASE_SECONDS + 1))
    assert slow is not None
    assert other is not None
    assert not outbox._settle(slow, state="sent")
    assert outbox._settle(other, state="sent")


def test_a_process_that_died_in_the_last_try_leaves_a_failed_alert(
    default_account: Account, hook: Webhook
) -> None:
    services.hard_stop(reason="Fire.", at=MONDAY)
    Alert.objects.update(tries=MOST_TRIES)
    assert not send_next()
    assert (Alert.objects.get().state, hook.posts) == ("failed", [])


def test_an_alert_whose_channel_is_switched_off_waits_and_says_so(
    default_account: Account, hook: Webhook
) -> None:
    services.hard_stop(reason="Fire.", at=MONDAY)
    with override_settings(RISK_WEBHOOK_URL=""):
        assert send_next()
    assert "is not set any more" in Alert.objects.get().error


@pytest.mark.django_db(transaction=True)
def test_many_senders_at_once_send_each_alert_once(default_account: Account, hook: Webhook) -> None:
    for number in range(6):
        Account.objects.create(slug=f"a{number}")
        services.hard_stop(reason="Fire.", account=f"a{number}", at=MONDAY)

    def send_all() -> None:
        try:
            while send_next():
                pass
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(send_all) for _ in range(4)]:
            future.result()
    assert sorted(post.json["account"] for post in hook.posts) == [f"a{n}" for n in range(6)]
    assert {alert.state for alert in Alert.objects.all()} == {"sent"}
