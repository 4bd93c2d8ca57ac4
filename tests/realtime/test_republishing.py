"""Tests of publishing again: the row as it is now, or a sentence that says why not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db.models import QuerySet

from realtime import feeds as feeds_module
from realtime.feeds import ModelFeed
from realtime.models import Event
from realtime.republishing import NothingToPublish, publish_again
from tests.realtime.events import append, entry
from tests.realtime.rows import make_position, mark_closed
from trading import services
from trading.models import Account, Position
from trading.serializers import PositionSerializer

pytestmark = pytest.mark.django_db


def again(feed: str, key: str, data: str = "{}") -> tuple[str, str, dict[str, Any]]:
    """Publish again; action, key and data of the new event."""
    event = Event.objects.get(pk=publish_again(feed=feed, key=key, data=data))
    return event.action, event.key, json.loads(event.data)


def test_closed_row_is_closed_again() -> None:
    position = make_position()
    mark_closed(position)
    position.save()
    action, _, data = again("position_update", str(position.pk))
    assert (action, data["status"]) == ("closed", "closed")


def test_newest_of_several_rows_of_a_key_is_the_object() -> None:
    Account.objects.get_or_create(pk="default")
    Account.objects.create(pk="other")
    for account, equity in (("default", "100"), ("default", "200"), ("other", "5")):
        services.record_equity(account=account, total_equity=equity)
    _, key, data = again("equity_update", "default")
    assert (key, data["total_equity"]) == ("default", "200.00")


@pytest.mark.parametrize("key", ["test", "", "00000000-0000-0000-0000-000000000000", "\x00"])
def test_key_that_no_row_has_is_refused(key: str) -> None:
    before = Event.objects.count()
    with pytest.raises(NothingToPublish, match="any more"):
        publish_again(feed="position_update", key=key, data="{}")
    assert Event.objects.count() == before


def test_feed_that_is_gone_is_refused() -> None:
    with pytest.raises(NothingToPublish, match="no feed 'once_there'"):
        publish_again(feed="once_there", key="a", data="{}")


@pytest.mark.usefixtures("own_feeds")
def test_object_without_a_row_is_what_its_newest_event_says() -> None:
    append(entry("BTC", data={"instrument": "BTC", "price": "1"}))
    append(entry("BTC", data={"instrument": "BTC", "price": "2"}))
    assert again("price", "BTC") == ("updated", "BTC", {"instrument": "BTC", "price": "2"})
    append(entry("BTC", live=False))
    with pytest.raises(NothingToPublish):
        publish_again(feed="price", key="BTC", data="{}")


@pytest.mark.usefixtures("own_feeds")
def test_message_without_a_key_is_repeated() -> None:
    assert again("notice", "", '{"text": "x"}') == ("created", "", {"text": "x"})


def test_key_that_is_no_column_is_looked_for_in_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted, _ = make_position(strategy_id="first"), make_position(strategy_id="second")
    monkeypatch.setattr(feeds_module, "_feeds", {})

    class Serializer(PositionSerializer):
        def to_representation(self, instance: Position) -> dict[str, Any]:
            return {"name": f"the {instance.strategy_id}"}

    class NamedFeed(ModelFeed):
        name = "named"
        model = Position
        serializer_class = Serializer
        key_field = "name"

    # Registered without the signals of its own, which would outlive the test.
    feeds_module._feeds["named"] = NamedFeed()
    assert again("named", "the first") == ("updated", "the first", {"name": "the first"})
    QuerySet(Position).filter(pk=wanted.pk).update(strategy_id="third")
    with pytest.raises(NothingToPublish):
        publish_again(feed="named", key="the first", data="{}")
