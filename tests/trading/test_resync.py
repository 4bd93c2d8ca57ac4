"""Tests of resync beside writers: it never tells of a reading that is no longer the newest."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from threading import Event as Flag
from threading import Thread
from typing import Any

import pytest
from django.db import connections, transaction

from realtime import resyncing
from realtime.changes import chunks
from realtime.feeds import ModelFeed, model_feeds
from realtime.models import Event
from realtime.resyncing import resync_feed
from tests.trading.conftest import MONDAY
from trading import services
from trading.models import Account, EquitySnapshot

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def equity_feed() -> ModelFeed:
    """The feed whose keys are accounts and whose rows are readings."""
    [feed] = [feed for feed in model_feeds() if feed.model is EquitySnapshot]
    return feed


@pytest.fixture
def after_listing(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Gives a function that has its argument called when resync has listed its rows."""

    def call(interrupt: Callable[[], object]) -> None:
        def interrupted(items: Iterable[Any]) -> Iterator[list[Any]]:
            listed = list(items)
            interrupt()
            return chunks(listed)

        monkeypatch.setattr(resyncing, "chunks", interrupted)

    return call


def record(total_equity: str, *, account: str = "default") -> None:
    """Add a reading."""
    services.record_equity(account=account, total_equity=total_equity, at=MONDAY)


def in_thread(job: Callable[[], object]) -> Thread:
    """Run `job` on a connection of its own."""

    def run() -> None:
        try:
            job()
        finally:
            connections.close_all()

    thread = Thread(target=run)
    thread.start()
    return thread


def told() -> list[tuple[str, str]]:
    """Every event of the feed: its account and equity."""
    data = Event.objects.filter(feed="equity_update").order_by("id").values_list("data", flat=True)
    return [(row["account"], row["total_equity"]) for row in map(json.loads, data)]


def test_a_reading_committed_after_the_listing_stays_the_newest(
    default_account: Account,
    equity_feed: ModelFeed,
    after_listing: Callable[[Callable[[], object]], None],
) -> None:
    record("100")
    after_listing(lambda: in_thread(lambda: record("200")).join())
    found = resync_feed(equity_feed)
    assert (found.rows, found.published, found.deleted) == (1, 0, 0)
    assert told() == [("default", "100.00"), ("default", "200.00")]


def test_a_reading_under_way_while_resync_wants_its_lock_stays_the_newest(
    default_account: Account,
    equity_feed: ModelFeed,
    after_listing: Callable[[Callable[[], object]], None],
) -> None:
    record("100")
    is_recorded, is_listed = Flag(), Flag()

    def record_slowly() -> None:
        with transaction.atomic():
            record("200")
            is_recorded.set()
            is_listed.wait()

    writer = in_thread(record_slowly)
    is_recorded.wait()
    after_listing(is_listed.set)
    found = resync_feed(equity_feed)
    writer.join()
    assert (found.rows, found.published, found.deleted) == (1, 0, 0)
    assert told() == [("default", "100.00"), ("default", "200.00")]


def test_readings_that_no_event_tells_of_are_published_as_they_are_now(
    default_account: Account,
    equity_feed: ModelFeed,
    after_listing: Callable[[Callable[[], object]], None],
) -> None:
    Account.objects.create(slug="second")
    for account in ("default", "second"):
        record("100", account=account)
    Event.objects.all().delete()
    after_listing(lambda: in_thread(lambda: record("200")).join())
    found = resync_feed(equity_feed)
    assert (found.rows, found.published, found.deleted) == (2, 1, 0)
    assert told() == [("default", "200.00"), ("second", "100.00")]


def test_an_account_that_goes_after_the_listing_is_not_told_of_again(
    default_account: Account,
    equity_feed: ModelFeed,
    after_listing: Callable[[Callable[[], object]], None],
) -> None:
    record("100")
    after_listing(lambda: in_thread(default_account.delete).join())
    found = resync_feed(equity_feed)
    assert (found.rows, found.published, found.deleted) == (0, 0, 0)
    actions = Event.objects.filter(feed="equity_update").order_by("id")
    assert [event.action for event in actions] == ["created", "deleted"]
