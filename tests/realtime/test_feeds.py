"""Feeds: what may be registered, and publishing by call."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.exceptions import ImproperlyConfigured
from rest_framework.serializers import Serializer

from realtime import feeds as feeds_module
from realtime.feeds import (
    RESERVED_PARAMETERS,
    RESERVED_TYPES,
    Feed,
    ModelFeed,
    feeds,
    model_feeds,
    publish,
    register,
)
from realtime.log import Action
from realtime.models import Event
from realtime.system_log import publish_log

pytestmark = pytest.mark.usefixtures("own_feeds")


def make_feed(**attributes: Any) -> type[Feed]:
    return type("MadeFeed", (Feed,), {"name": "made", **attributes})


def test_feeds_are_in_the_order_of_registration() -> None:
    assert list(feeds()) == ["price", "notice", "secret"]
    register(make_feed())
    assert list(feeds())[-1] == "made"
    assert list(model_feeds()) == []


def test_register_is_a_decorator_that_changes_nothing() -> None:
    feed_class = make_feed()
    assert register(feed_class) is feed_class
    assert isinstance(feeds()["made"], feed_class)


@pytest.mark.parametrize(
    "name",
    ["", "Price", "1price", "price-update", "pri ce", "_price", "x" * 65, "é", *RESERVED_TYPES],
)
def test_name_that_the_protocol_cannot_carry_is_refused(name: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="a feed's name is"):
        register(make_feed(name=name))
    assert name not in feeds()


def test_feed_without_a_name_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="Nameless"):
        register(type("Nameless", (Feed,), {}))


def test_longest_name_is_fine() -> None:
    register(make_feed(name="x" * 64))
    assert "x" * 64 in feeds()


def test_name_that_another_feed_has_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="already named 'price'"):
        register(make_feed(name="price"))


def test_same_feed_may_be_registered_again() -> None:
    register(make_feed())
    register(make_feed(permission="other"))
    assert feeds()["made"].permission == "other"


@pytest.mark.parametrize("field", ["", "a b", "1a", "é", "a-b", "a'", *RESERVED_PARAMETERS])
def test_field_that_cannot_be_a_parameter_is_refused(field: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="cannot be a filter field"):
        register(make_feed(filter_fields=("fine", field)))


def test_model_that_does_not_publish_its_writes_is_refused_or_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Groups are Django's own: nothing makes their saves and their events one transaction."""
    from realtime.checks import check_settings

    class GroupFeed(ModelFeed):
        name = "group_update"
        model = Group
        serializer_class = Serializer
        key_field = "id"

    monkeypatch.setitem(feeds_module._feeds, "group_update", GroupFeed())
    ids = {message.id for message in check_settings(None)}
    assert "realtime.E003" in ids


def test_key_is_the_text_of_its_field() -> None:
    assert feeds()["price"].key({"instrument": 7}) == "7"
    assert feeds()["notice"].key({"level": "INFO"}) == ""
    with pytest.raises(KeyError):
        feeds()["price"].key({"bid": 1})


def test_scope_is_open_by_default() -> None:
    assert feeds()["price"].scope(None) is None  # type: ignore[arg-type]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("action", "is_live"),
    [("created", True), ("updated", True), ("closed", False), ("deleted", False)],
)
def test_publishing_by_call(action: str, is_live: bool) -> None:
    event_id = publish("price", {"instrument": "BTC"}, action=action)
    event = Event.objects.get()
    assert event.pk == event_id
    assert (event.feed, event.key, event.action, event.live) == ("price", "BTC", action, is_live)
    assert event.data == '{"instrument":"BTC"}'


def test_publishing_nonsense_is_refused() -> None:
    with pytest.raises(LookupError, match="price, notice, secret"):
        publish("nothing", {})
    with pytest.raises(KeyError):
        publish("price", {"bid": 1})
    with pytest.raises(ValueError, match="explode"):
        publish("price", {"instrument": "BTC"}, action="explode")
    with pytest.raises(TypeError):
        publish("notice", {"text": object()})


def test_level_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="WARNING"):
        publish_log(level="LOUD", message="x", module="y")


@pytest.mark.django_db
def test_message_without_a_key_is_part_of_snapshots_whatever_its_action() -> None:
    """The log's state and the hub's are one: neither forgets a message that was `closed`."""
    from realtime import log
    from tests.realtime.events import number_all

    publish("notice", {"level": "INFO"}, action=Action.CLOSED)
    number_all()
    _, events = log.state(keyless_feeds=["notice"])
    assert [event.parsed_data() for event in events] == [{"level": "INFO"}]


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["", None, "x" * 201, "null\x00character"])
def test_key_that_no_column_holds_is_refused(key: object) -> None:
    with pytest.raises(ValueError, match="instrument"):
        publish("price", {"instrument": key})
