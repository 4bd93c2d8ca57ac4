"""What a piece of code publishes, collected as it happens: ids and data, without a query."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from realtime.models import Event
from realtime.publishing import collect_published
from realtime.system_log import publish_log
from tests.realtime.rows import make_position
from trading.models import Position

pytestmark = pytest.mark.django_db


def say(message: str) -> int:
    """Publish one line."""
    return publish_log(level="INFO", message=message, module="test")


def test_what_the_block_publishes_is_collected_with_its_ids() -> None:
    say("before")
    with collect_published() as published:
        position = make_position()
        event = say("inside")
    say("after")
    assert [(each.entry.feed, each.entry.key) for each in published] == [
        ("position_update", str(position.pk)),
        ("system_log", ""),
    ]
    assert published[1].event == event == Event.objects.get(data__contains="inside").pk
    assert published[1].data["message"] == "inside"


def test_bulk_writes_are_collected_too() -> None:
    positions = [make_position() for _ in range(3)]
    with collect_published() as published:
        Position.objects.update(strategy_id="carry")
    assert sorted(each.entry.key for each in published) == sorted(str(p.pk) for p in positions)


def test_collecting_asks_the_database_nothing(position: Position) -> None:
    def save() -> int:
        with CaptureQueriesContext(connections["default"]) as queries:
            position.save()
        return len(queries)

    plain = save()
    with collect_published() as published:
        assert save() == plain
        assert published[0].data["position_id"] == str(position.pk)


def test_an_inner_block_keeps_what_is_its_own() -> None:
    with collect_published() as outer:
        say("first")
        with collect_published() as inner:
            say("second")
        say("third")
    assert [each.data["message"] for each in outer] == ["first", "third"]
    assert [each.data["message"] for each in inner] == ["second"]


@pytest.mark.django_db(transaction=True)
def test_what_another_thread_publishes_is_not_collected() -> None:
    def say_elsewhere() -> None:
        say("elsewhere")
        connections.close_all()

    with collect_published() as published, ThreadPoolExecutor(1) as pool:
        pool.submit(say_elsewhere).result()
    assert published == []
    assert Event.objects.filter(feed="system_log").count() == 1


@pytest.fixture
def position(db: None) -> Position:
    return make_position()
