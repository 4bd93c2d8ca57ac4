"""What a connection asked for and may see: matching, equality and the hash of a resume."""

from __future__ import annotations

from typing import Any

import pytest

from realtime import feeds as feeds_module
from realtime.auth.grants import Grants
from realtime.subscriptions import (
    FeedSubscription,
    Relation,
    Subscription,
    field_values,
    make_subscription,
)

pytestmark = pytest.mark.usefixtures("own_feeds")

NORTH = field_values({"venue": ["north"]})
BTC = field_values({"instrument": ["BTC"]})


def prices(**limits: Any) -> FeedSubscription:
    return FeedSubscription("price", **limits)


def test_order_of_feeds_and_values_does_not_matter() -> None:
    one = make_subscription([FeedSubscription("notice"), prices(filters=BTC)])
    other = make_subscription(
        [prices(filters=field_values({"instrument": ("BTC",)})), FeedSubscription("notice")]
    )
    assert one == other
    assert hash(one) == hash(other)
    assert one.digest() == other.digest()
    assert one.names == ("price", "notice")


def test_get_finds_a_feed_or_nothing() -> None:
    subscription = make_subscription([prices(filters=BTC)])
    assert subscription.get("price") == prices(filters=BTC)
    assert subscription.get("notice") is None


@pytest.mark.parametrize(
    ("feed", "values", "was", "relation"),
    [
        (prices(), {"venue": "east"}, None, Relation.MATCHES),
        (prices(filters=NORTH), {"venue": "north"}, None, Relation.MATCHES),
        (prices(filters=NORTH), {"venue": "north"}, {"venue": "south"}, Relation.MATCHES),
        (prices(filters=NORTH), {"venue": "south"}, {"venue": "north"}, Relation.LEFT),
        (prices(filters=NORTH), {"venue": "south"}, {"venue": "east"}, Relation.NONE),
        (prices(filters=NORTH), {"venue": "south"}, None, Relation.NONE),
        (prices(filters=NORTH), {}, None, Relation.NONE),
        (prices(scope=NORTH), {"venue": "north"}, None, Relation.MATCHES),
        (prices(scope=NORTH), {"venue": "south"}, {"venue": "north"}, Relation.LEFT),
        (
            prices(filters=BTC, scope=NORTH),
            {"venue": "south", "instrument": "BTC"},
            None,
            Relation.NONE,
        ),
        (
            prices(filters=BTC, scope=NORTH),
            {"venue": "north", "instrument": "BTC"},
            None,
            Relation.MATCHES,
        ),
        (FeedSubscription("notice"), {"venue": "north"}, {"venue": "north"}, Relation.NONE),
    ],
)
def test_event_matches_by_its_object_now_or_as_it_was(
    feed: FeedSubscription, values: dict[str, Any], was: Any, relation: Relation
) -> None:
    assert make_subscription([feed]).relation("price", values, was) is relation


@pytest.mark.parametrize(
    ("value", "text"), [(True, "true"), (False, "false"), (None, ""), (7, "7"), ("a", "a")]
)
def test_values_are_compared_as_texts(value: Any, text: str) -> None:
    assert prices(filters=field_values({"venue": [text]})).matches({"venue": value})
    assert not prices(filters=field_values({"venue": ["other"]})).matches({"venue": value})


def test_empty_scope_value_list_lets_nothing_through() -> None:
    nothing = prices(scope=field_values({"venue": []}))
    assert not nothing.is_unlimited
    assert not nothing.matches({"venue": "north"})


def test_feeds_are_added_replaced_and_removed() -> None:
    subscription = make_subscription([prices()], max_rate=2.0)
    both = subscription.with_feeds([FeedSubscription("notice"), prices(filters=BTC)])
    assert both.names == ("price", "notice")
    assert both.get("price") == prices(filters=BTC)
    assert both.max_rate == 2.0
    assert both.without_feeds(["price", "secret"]).names == ("notice",)
    assert both.with_rate(None).max_rate is None
    assert subscription == make_subscription([prices()], max_rate=2.0)


def test_filters_on_the_wire_are_those_of_the_client_alone() -> None:
    filters = field_values({"instrument": ["ETH", "BTC"]})
    subscription = make_subscription(
        [prices(filters=filters, scope=NORTH), FeedSubscription("notice")]
    )
    assert subscription.filters() == {"price": {"instrument": ["BTC", "ETH"]}}


def test_hash_changes_with_feeds_filters_scope_and_versions_but_not_with_the_rate(
    monkeypatch: pytest.MonkeyPatch, grants: Grants
) -> None:
    plain = make_subscription([prices()])
    assert plain.with_rate(2.0).digest() == plain.digest()
    different = {
        plain.digest(),
        Subscription(()).digest(),
        make_subscription([prices(), FeedSubscription("notice")]).digest(),
        make_subscription([prices(filters=NORTH)]).digest(),
        make_subscription([prices(scope=NORTH)]).digest(),
        make_subscription([prices(filters=BTC)]).digest(),
    }
    monkeypatch.setattr(type(feeds_module.feeds()["price"]), "version", 2)
    different.add(plain.digest())
    assert len(different) == 7
