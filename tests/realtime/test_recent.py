"""Recent events: encoded once, held without a hole, matched against subscriptions."""

from __future__ import annotations

import pytest

from realtime.recent import EncodedEvent, RecentEvents, frames_for
from realtime.subscriptions import FeedSubscription, Subscription, field_values, make_subscription
from tests.realtime.fakes import logged, parsed

pytestmark = pytest.mark.usefixtures("own_feeds")


@pytest.fixture
def everything(own_feeds: None) -> Subscription:
    return make_subscription([FeedSubscription("price"), FeedSubscription("notice")])


@pytest.fixture
def north(own_feeds: None) -> Subscription:
    return make_subscription([FeedSubscription("price", field_values({"venue": ["north"]}))])


def held(limit: int, *numbers: int) -> RecentEvents:
    recent = RecentEvents(limit)
    recent.extend(EncodedEvent(logged(number)) for number in numbers)
    return recent


def numbers_after(recent: RecentEvents, seq: int) -> list[int]:
    return [event.seq for event in recent.after(seq)]


def test_empty_ring_holds_nothing() -> None:
    recent = held(3)
    assert recent.oldest is None
    assert recent.after(0) == []


@pytest.mark.parametrize(
    ("seq", "expected"),
    [(0, [5, 6, 7]), (4, [5, 6, 7]), (5, [6, 7]), (6, [7]), (7, []), (99, [])],
)
def test_events_after_a_number(seq: int, expected: list[int]) -> None:
    assert numbers_after(held(10, 5, 6, 7), seq) == expected


def test_ring_forgets_the_oldest() -> None:
    recent = held(3, 1, 2, 3, 4, 5)
    assert recent.oldest == 3
    assert numbers_after(recent, 0) == [3, 4, 5]


def test_cleared_ring_begins_anew() -> None:
    recent = held(3, 1, 2)
    recent.clear()
    assert recent.oldest is None
    recent.extend([EncodedEvent(logged(9))])
    assert numbers_after(recent, 0) == [9]


def test_every_client_gets_the_same_frame(everything: Subscription, north: Subscription) -> None:
    event = EncodedEvent(logged(1, data={"instrument": "BTC", "venue": "north"}))
    assert event.frame_for(everything) is event.frame
    assert event.frame_for(north) is event.frame


def test_object_that_left_is_told_by_its_key_alone_and_encoded_once(north: Subscription) -> None:
    data = {"instrument": "BTC", "venue": "south"}
    event = EncodedEvent(logged(1, data=data, was={"venue": "north", "instrument": "BTC"}))
    frame = event.frame_for(north)
    assert frame is not None
    assert frame is event.frame_for(north)
    message = parsed(frame)
    assert (message["action"], message["data"]) == ("left", {"instrument": "BTC"})
    assert (message["seq"], message["event"]) == (1, 5001)
    assert parsed(event.frame)["data"] == data


def test_what_a_subscription_does_not_match_is_not_sent(
    everything: Subscription, north: Subscription
) -> None:
    events = [
        EncodedEvent(logged(1, data={"venue": "south"})),
        EncodedEvent(logged(2, data={"venue": "north"})),
        EncodedEvent(logged(3, feed="notice", key="", data={"level": "INFO"})),
    ]
    assert [frame.seq for frame in frames_for(north, events)] == [2]
    assert [frame.seq for frame in frames_for(everything, events)] == [1, 2, 3]


def test_only_events_without_a_key_can_be_lost() -> None:
    assert EncodedEvent(logged(1)).frame.tail_feed is None
    assert EncodedEvent(logged(2, feed="notice", key="")).frame.tail_feed == "notice"


def test_event_of_a_feed_that_is_gone_concerns_nobody(everything: Subscription) -> None:
    event = EncodedEvent(logged(1, feed="retired"))
    assert event.frame_for(everything) is None
    assert event.frame.tail_feed is None


def test_feed_without_filters_is_not_parsed() -> None:
    event = EncodedEvent(logged(1, feed="secret")._replace(data="not even JSON"))
    assert event.values == {}
