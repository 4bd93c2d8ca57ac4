"""The state by key, and its snapshots in parts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realtime.live_state import LARGEST_PART_BYTES, LiveState, Snapshot
from realtime.log.values import TAIL_EVENTS
from realtime.recent import EncodedEvent
from realtime.subscriptions import FeedSubscription, Subscription, field_values, make_subscription
from tests.realtime.fakes import TIMESTAMP, logged, parsed

pytestmark = pytest.mark.usefixtures("own_feeds")


def everything() -> Subscription:
    return make_subscription([FeedSubscription(name) for name in ("price", "notice", "secret")])


def apply(state: LiveState, seq: int, **event: Any) -> None:
    made = logged(seq, **event)
    state.apply(made, EncodedEvent(made).values)


def price(instrument: str, **values: Any) -> dict[str, Any]:
    return {"instrument": instrument, **values}


def taken(state: LiveState, subscription: Subscription | None = None, **options: Any) -> Snapshot:
    return state.snapshot(subscription or everything(), stream="s", seq=7, **options)


def messages(snapshot: Snapshot) -> list[dict[str, Any]]:
    frames = [snapshot.frame(index, timestamp=TIMESTAMP) for index in range(len(snapshot.parts))]
    return [parsed(frame) for frame in frames]


def joined(snapshot: Snapshot) -> dict[str, list[Any]]:
    """What a client makes of all parts."""
    feeds: dict[str, list[Any]] = {}
    for message in messages(snapshot):
        for name, objects in message["data"].items():
            feeds.setdefault(name, []).extend(objects)
    return feeds


def test_empty_state_names_every_feed() -> None:
    (message,) = messages(taken(LiveState()))
    assert message == {
        "type": "snapshot",
        "timestamp": TIMESTAMP,
        "stream": "s",
        "seq": 7,
        "part": 1,
        "parts": 1,
        "dropped": {},
        "data": {"price": [], "notice": [], "secret": []},
    }


def test_subscription_without_feeds_still_gets_a_part() -> None:
    (message,) = messages(taken(LiveState(), Subscription(())))
    assert message["data"] == {}


def test_newest_event_of_each_live_key_is_the_state() -> None:
    state = LiveState()
    apply(state, 1, key="BTC", data=price("BTC", bid="1"))
    apply(state, 2, key="ETH", data=price("ETH", bid="2"))
    apply(state, 3, key="BTC", data=price("BTC", bid="3"))
    assert joined(taken(state))["price"] == [price("BTC", bid="3"), price("ETH", bid="2")]


@pytest.mark.parametrize("action", ["closed", "deleted"])
def test_object_that_is_no_longer_live_is_gone(action: str) -> None:
    state = LiveState()
    apply(state, 1, key="BTC")
    apply(state, 2, key="BTC", action=action, live=False)
    apply(state, 3, key="ETH", action=action, live=False)
    assert joined(taken(state))["price"] == []


def test_object_may_come_to_life_again() -> None:
    state = LiveState()
    apply(state, 1, key="BTC", action="closed", live=False)
    apply(state, 2, key="BTC", data=price("BTC"))
    assert joined(taken(state))["price"] == [price("BTC")]


def test_last_fifty_of_a_feed_without_keys_are_kept() -> None:
    state = LiveState()
    for number in range(TAIL_EVENTS + 3):
        apply(state, number, feed="notice", key="", data={"number": number})
    kept = [notice["number"] for notice in joined(taken(state))["notice"]]
    assert kept == list(range(3, TAIL_EVENTS + 3))


def test_cleared_state_is_empty() -> None:
    state = LiveState()
    apply(state, 1)
    apply(state, 2, feed="notice", key="")
    state.clear()
    assert joined(taken(state)) == {"price": [], "notice": [], "secret": []}


def test_snapshot_holds_only_what_the_subscription_matches() -> None:
    state = LiveState()
    apply(state, 1, key="BTC", data=price("BTC", venue="north"))
    apply(state, 2, key="ETH", data=price("ETH", venue="south"))
    apply(state, 3, feed="notice", key="", data={"level": "INFO"})
    apply(state, 4, feed="notice", key="", data={"level": "ERROR"})
    wanted = make_subscription(
        [
            FeedSubscription("price", scope=field_values({"venue": ["south"]})),
            FeedSubscription("notice", filters=field_values({"level": ["ERROR"]})),
        ]
    )
    assert joined(taken(state, wanted)) == {
        "price": [price("ETH", venue="south")],
        "notice": [{"level": "ERROR"}],
    }


def test_snapshot_of_some_feeds_replaces_no_others() -> None:
    state = LiveState()
    apply(state, 1, key="BTC", data=price("BTC"))
    assert joined(taken(state, names=["price", "unsubscribed"])) == {"price": [price("BTC")]}


def test_snapshot_says_what_was_dropped_and_who_asked() -> None:
    made = Snapshot(stream="s", seq=7, parts=({},), dropped={"notice": 3}, id="mine")
    (message,) = messages(made)
    assert message["dropped"] == {"notice": 3}
    assert message["id"] == "mine"


def test_large_state_comes_in_parts_that_share_their_number() -> None:
    state = LiveState()
    for number in range(40):
        key = f"K{number}"
        apply(state, number + 1, key=key, data=price(key, note="n" * 20_000))
    apply(state, 41, feed="notice", key="", data={"level": "INFO"})
    snapshot = taken(state)
    parts = messages(snapshot)
    assert len(parts) == 4
    assert [part["part"] for part in parts] == [1, 2, 3, 4]
    assert {(part["parts"], part["seq"]) for part in parts} == {(4, 7)}
    found = joined(snapshot)
    assert [obj["instrument"] for obj in found["price"]] == [f"K{n}" for n in range(40)]
    assert found["notice"] == [{"level": "INFO"}]
    assert found["secret"] == []


def test_object_larger_than_a_part_travels_alone() -> None:
    state = LiveState()
    sizes = {"SMALL": 10, "HUGE": 2 * LARGEST_PART_BYTES, "LAST": 10}
    for number, (key, size) in enumerate(sizes.items(), start=1):
        apply(state, number, key=key, data=price(key, note="n" * size))
    parts = messages(taken(state))
    held = [[obj["instrument"] for obj in part["data"].get("price", [])] for part in parts]
    assert held == [["SMALL"], ["HUGE"], ["LAST"]]


def test_object_that_just_fits_shares_its_part() -> None:
    state = LiveState()
    apply(state, 1, key="A", data=price("A", note="n" * 130_000))
    apply(state, 2, key="B", data=price("B", note="n" * 130_000))
    assert len(messages(taken(state))) == 1


@settings(
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    sizes=st.lists(st.integers(0, 90_000), max_size=20),
    notices=st.lists(st.integers(0, 90_000), max_size=8),
)
def test_parts_are_within_their_limit_and_lose_nothing(
    sizes: list[int], notices: list[int]
) -> None:
    state = LiveState()
    for number, size in enumerate(sizes):
        apply(state, 1, key=str(number), data=price(str(number), note="n" * size))
    for number, size in enumerate(notices):
        apply(state, 1, feed="notice", key="", data={"number": number, "note": "n" * size})
    snapshot = taken(state)
    frames = [snapshot.frame(index, timestamp=TIMESTAMP) for index in range(len(snapshot.parts))]
    assert all(len(frame.text) <= LARGEST_PART_BYTES for frame in frames)
    found = joined(snapshot)
    assert [obj["instrument"] for obj in found["price"]] == [str(n) for n in range(len(sizes))]
    assert [obj["number"] for obj in found["notice"]] == list(range(len(notices)))
    assert json.dumps(found["secret"]) == "[]"
