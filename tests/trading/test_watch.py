"""Tests of the watcher's thread: it looks, sends, outlives the database's failures and forks."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import OperationalError
from django.test import override_settings

from tests.trading.alerting.conftest import hook  # noqa: F401
from tests.trading.alerting.receivers import Webhook
from tests.trading.conftest import MONDAY
from trading import services, watch
from trading.alerting import bell
from trading.models import Account, RiskStatus

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE_SECONDS = 20.0


@pytest.fixture
def start_watch() -> Iterator[Callable[[float], None]]:
    """Starts the watcher of this process with a look at so many seconds; stopped afterwards."""

    def start(seconds: float) -> None:
        with override_settings(RISK_WATCH_SECONDS=seconds):
            watch.start()

    yield start
    watch.stop()


def await_that(is_so: Callable[[], object]) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def watchers() -> list[threading.Thread]:
    """The watchers' threads of this process."""
    return [thread for thread in threading.enumerate() if thread.name == "risk-watcher"]


def test_it_looks_at_its_interval(
    default_account: Account, start_watch: Callable[[float], None]
) -> None:
    services.record_equity(total_equity="100")
    with override_settings(RISK_STALE_SECONDS=0.01):
        start_watch(0.02)
        await_that(lambda: RiskStatus.objects.get().stale_inputs == "equity")


def test_an_alert_is_sent_at_once_and_not_at_the_next_look(
    default_account: Account,
    hook: Webhook,  # noqa: F811
    start_watch: Callable[[float], None],
) -> None:
    start_watch(3600)
    services.hard_stop(reason="Fire.", at=MONDAY)
    await_that(lambda: hook.posts)
    assert hook.posts[0].json["kind"] == "hard_stop"


def test_it_goes_on_after_the_database_was_gone_and_says_so_once(
    default_account: Account,
    start_watch: Callable[[float], None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    looks = 0
    watch_accounts = watch.watch_accounts

    def fail_at_first(**options: Any) -> None:
        nonlocal looks
        looks += 1
        if looks <= 3:
            raise OperationalError("the server closed the connection at 10.0.0.7")
        watch_accounts(**options)

    monkeypatch.setattr(watch, "watch_accounts", fail_at_first)
    caplog.set_level(logging.INFO)
    start_watch(0.01)
    await_that(lambda: "Accounts are watched again." in caplog.text)
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.getMessage() for record in errors] == [
        "Accounts are not watched, trying again: OperationalError"
    ]


def test_a_process_has_one_and_none_when_it_is_switched_off(
    start_watch: Callable[[float], None],
) -> None:
    start_watch(0)
    assert watchers() == []
    start_watch(3600)
    start_watch(3600)
    assert len(watchers()) == 1
    watch.stop()
    assert watchers() == []


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_can_start_its_own(start_watch: Callable[[float], None]) -> None:
    start_watch(3600)
    child = os.fork()
    if not child:
        # As after a fork in the middle of a ring: the child's bell is a new one.
        is_well = watch._watcher is None and not watchers() and not bell._rung.is_set()
        os._exit(0 if is_well else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(watchers()) == 1


def test_watcher_is_a_part_of_health_where_one_was_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert watch.check() is None
    started = watch.Watcher(seconds=60.0)
    monkeypatch.setattr(watch, "_watcher", started)
    # Its thread has not been started, or has ended: that is the same from here.
    part = watch.check()
    assert part is not None
    assert part["status"] == "error"
    monkeypatch.setattr(started, "is_alive", lambda: True)
    assert watch.check() == {"status": "ok", "failures": 0}
